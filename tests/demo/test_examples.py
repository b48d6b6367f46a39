import pytest

gr = pytest.importorskip("gradio", reason="the extra demo")

from audiodiff.signal.audio_io import read_audio  # noqa: E402
from audiodiff.synthesis.provenance import read_provenance  # noqa: E402
from demo.examples import EXAMPLES, MOST_BYTES, SECONDS, Example  # noqa: E402

SOUNDS = [example for example in EXAMPLES if example.path.is_file()]


def test_there_are_a_dozen_small_sounds_and_nothing_else() -> None:
    assert len({example.path for example in EXAMPLES}) == len(EXAMPLES) == 12
    folder = EXAMPLES[0].path.parent
    assert {path.name for path in folder.iterdir()} <= {example.path.name for example in EXAMPLES}
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST_BYTES


@pytest.mark.parametrize("example", SOUNDS, ids=lambda example: example.title)
def test_a_sound_is_what_its_prompt_made(example: Example) -> None:
    record, sound = read_provenance(example.path), read_audio(example.path)
    assert (record.prompt, record.seed, record.verb) == (example.prompt, example.seed, "generate")
    assert record.models[0].name == "music"
    assert abs(sound.waveform.shape[-1] / sound.sample_rate - SECONDS) < 0.1
    assert sound.waveform.std() > 0.01
