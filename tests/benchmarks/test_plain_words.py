from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiodiff.data.items import AudioItem
from audiodiff.errors import AudiodiffError
from audiodiff.metrics.classifier import confusion
from audiodiff_recipes import caption_words
from benchmarks import plain_words
from benchmarks.plain_words import (
    PAIR,
    SCENES,
    Config,
    PlainWords,
    Recognised,
    find_recordings,
    listen,
    report,
    scene_of,
)

RATE = 16_000
SAD, BOSS = PAIR


def item(name: str, text: str = "", **extra: str) -> AudioItem:
    return AudioItem(Path(name), text, sample_rate=RATE, n_samples=10 * RATE, extra=extra)


def test_a_recording_is_of_the_one_scene_that_its_captions_name() -> None:
    assert scene_of(item("a.wav", "slow strings", text3="Something SAD for a rainy scene")) == SAD
    assert scene_of(item("a.wav", "orchestra", title="battle_theme")) == BOSS
    assert scene_of(item("a.wav", "sad music", text1="boss fight")) is None, "of two scenes"
    assert scene_of(item("a.wav", "embattled saddle, starship", author="Boss Battle")) is None, "of none"


def test_no_prompt_is_asked_twice_and_every_scene_finds_its_own_captions() -> None:
    prompts = [prompt for scene in SCENES.values() for prompt in scene.prompts]
    assert len({*prompts}) == len(prompts) == 30
    captions = {phrase for phrases, _ in caption_words._SCENES for phrase in phrases}
    assert captions & {*prompts} == {*plain_words.CAPTIONS}
    for caption, name in (
        ("lofi beat to study to", "studying"),
        ("cosy village theme", "village"),
        ("exploring a dungeon", "dark place"),
        ("floating through space", "space"),
        ("high-speed chase", "chase"),
        ("music to dance to", "dancing"),
        ("happy tune", "good mood"),
        ("title screen music", "menu"),
    ):
        assert scene_of(item("a.wav", caption)) == name


def test_recordings_come_from_as_many_pieces_as_there_are() -> None:
    many = [item(f"sad{piece}_{cut}.wav", "sad", source=f"sad {piece}") for piece in range(6) for cut in range(9)]
    few = [item(f"boss{piece}_0.wav", "boss fight", source=f"boss {piece}") for piece in range(4)]
    short = [AudioItem(Path("x.wav"), "sad", sample_rate=RATE, n_samples=RATE, extra={"source": "sad 9"})]
    found = find_recordings([*many, *few, *short], 12)
    assert list(found) == [SAD], "four pieces are too few"
    assert sorted(each.extra["source"] for each in found[SAD]) == [f"sad {piece}" for piece in range(6) for _ in (0, 1)]


def points(rng: np.random.Generator, centres: list[float]) -> dict[str, list[np.ndarray]]:
    return {name: [rng.normal(at, 0.3, (4, 3)) for at in centres] for name in plain_words.TAGGERS}


def test_a_scene_is_heard_where_the_sound_is_that_of_its_recordings() -> None:
    rng = np.random.default_rng(0)
    scenes = [SAD, BOSS] * 20
    places = {SAD: -2.0, BOSS: 2.0, "space": 0.0}
    recordings = (points(rng, [places[name] for name in scenes]), scenes, [f"piece {i // 4}{i % 2}" for i in range(40)])
    asked = [SAD, BOSS, "space", BOSS]
    heard = listen(recordings, (points(rng, [-2.0, 2.0, 0.0, -2.0]), asked), PAIR)
    assert plain_words.total(heard.recordings).right == 40
    assert str(plain_words.share_right(heard.clips, SAD)) == "100 % (1/1)"
    assert str(plain_words.share_right(heard.clips, BOSS)) == "50 % (1/2)", "the last one sounds sad"
    shuffled = (recordings[0], [scenes[i] for i in rng.permutation(40)], [f"piece {i}" for i in range(40)])
    blind = listen(shuffled, (points(rng, [-2.0]), [SAD]), PAIR)
    assert plain_words.total(blind.recordings).right < 32, "recordings are judged by what others taught"


def test_the_report_tells_recordings_from_clips() -> None:
    recordings = confusion([SAD] * 4 + [BOSS] * 4, [SAD] * 4 + [BOSS] * 3 + [SAD], (BOSS, SAD))
    clips = confusion([SAD] * 3 + [BOSS] * 3, [SAD] * 2 + [BOSS] * 4, (BOSS, SAD))
    heard = Recognised(recordings, clips, 0.01)
    fewer = confusion([SAD] * 3 + [BOSS] * 2, [SAD] * 3 + [BOSS, SAD], (BOSS, SAD))
    tags = {kind: {name: {"sad (msd)": 0.25, "metal (mtt)": 0.5} for name in PAIR} for kind in ("recordings", "clips")}
    found = PlainWords(heard, heard, Recognised(recordings, fewer, 0.01), tags, {SAD: 4, BOSS: 3})
    text = report(found, Config((Path("game"),), Path("work"), seeds=1))
    assert "| 4 | 100 % (4/4) | 66.7 % (2/3) |" in text
    assert "| recordings | 100 % (4/4) | 75 % (3/4) | 87.5 % (7/8) |" in text
    assert "| clips | 66.7 % (2/3) | 100 % (3/3) | 83.3 % (5/6) |" in text
    assert "| clips, prompts that are no caption | 100 % (3/3) | 50 % (1/2) | 80 % (4/5) |" in text
    assert "| clips, boss fight | 0.250 | 0.500 |" in text
    assert "| menu | " in text
    assert "| 0 | – | – |" in text, "a scene without recordings is not judged"
    assert found.to_dict()["pair"]["clips"] == ((3, 0), (1, 2))


def test_a_corpus_without_such_captions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(4 * RATE), RATE)
    (tmp_path / "metadata.csv").write_text("file_name,text\na.wav,sad piano\n")
    monkeypatch.setattr(plain_words, "TAGGERS", ())
    with pytest.raises(AudiodiffError, match="fewer than 5 pieces"):
        plain_words.main(Config((tmp_path,), tmp_path / "work", tmp_path))
