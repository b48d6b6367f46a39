import numpy as np
import pytest
import soundfile

from audiodiff.data import text_fit
from audiodiff.data.items import AudioItem
from audiodiff.data.phone_model import PhoneModel
from audiodiff.data.text_fit import text_fits
from tests.data.synthetic_speech import PHONES, RATE, SPEC, phone_model, recording


@pytest.fixture(scope="module")
def phones() -> PhoneModel:
    return phone_model()


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[AudioItem]:
    """Twenty clips with their texts, written as phonemes."""
    folder, rng = tmp_path_factory.mktemp("speech"), np.random.default_rng(5)
    made = []
    for number in range(20):
        words = [tuple(rng.permutation(PHONES)[: rng.integers(2, 5)].tolist()) for _ in range(6)]
        soundfile.write(folder / f"{number}.wav", recording(words, [0, 0, 14, 0, 0, 10], number)[0], RATE)
        text = " ".join("{" + " ".join(word) + "}" for word in words) + "."
        made.append(AudioItem(folder / f"{number}.wav", text=text, speaker="ann"))
    return made


def planted(items: list[AudioItem], *numbers: int) -> list[AudioItem]:
    """The clips, some of them with the text of the one before."""
    return [
        AudioItem(item.path, text=items[n - 1].text if n in numbers else item.text, speaker=item.speaker)
        for n, item in enumerate(items)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("count", "own"), [(3, 50), (8, 50), (20, 50), (20, 20)])
def test_a_text_that_is_not_said_is_named(
    items: list[AudioItem], phones: PhoneModel, count: int, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_fit, "_OWN_MODEL", own)
    assert text_fits(items[:count], phones, SPEC).misfits == ()
    wrong = [1, 9] if count == 20 else [1]
    found = text_fits(planted(items, *wrong)[:count], phones, SPEC)
    assert [path.name for path, _ in found.misfits] == [f"{n}.wav" for n in wrong]
    assert "its text does not fit its sound (fit -" in found.misfits[0][1]
    assert items[0].text[:30] in found.misfits[0][1]
    assert found.notes == ()


@pytest.mark.slow
def test_texts_that_are_not_said_at_all_are_no_findings(items: list[AudioItem], phones: PhoneModel) -> None:
    for clips in (planted(items, *range(20)), planted(items, 3)[3:4]):
        found = text_fits(clips, phones, SPEC)
        assert found.misfits == ()
        assert f"texts of {len(clips)} clips (ann) were not compared with what is said" in found.notes[0]
    captions = [AudioItem(item.path, text="calm piano, slow") for item in items[:5]]
    assert "descriptions" in text_fits(captions, phones, SPEC).notes[0]


@pytest.mark.slow
def test_each_speaker_is_judged_alone(
    items: list[AudioItem], phones: PhoneModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_fit, "_OWN_MODEL", 10)
    foreign = [AudioItem(item.path, text="Guten Morgen, wie geht es Ihnen?", speaker="bob") for item in items[10:]]
    found = text_fits([*planted(items, 2)[:10], *foreign], phones, SPEC)
    assert [path.name for path, _ in found.misfits] == ["2.wav"]
    assert "texts of 10 clips (bob)" in found.notes[0]


def test_what_cannot_be_compared_is_told(
    items: list[AudioItem], phones: PhoneModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = [
        AudioItem(items[8].path, text=""),
        AudioItem(items[9].path, text="Guten Morgen, meine Damen und Herren, wie geht es Ihnen heute?"),
        AudioItem(items[10].path, text="She sells sea shells. " * 20),
    ]
    found = text_fits([*items[:8], *odd], phones, SPEC)
    assert [path.name for path, _ in found.misfits] == ["9.wav", "10.wav"]
    assert "German" in found.misfits[0][1]
    assert "needs at least" in found.misfits[1][1]
    monkeypatch.setattr(text_fit, "LONGEST_SECONDS", 0.5)
    assert "8 clips of more than 0.5 s" in text_fits(items[:8], phones, SPEC).notes[0]
    assert text_fits([], phones, SPEC).notes == ()
