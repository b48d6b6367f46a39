from pathlib import Path

from audiodiff.models.checkpoint import load_vocoder
from recipes.vocoder_speech import PRESETS, configure, main
from tests.presets.corpus import tiny_changes, write_corpus


def test_main_is_importable_and_trains(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus")
    run = main(configure("tiny", tiny_changes(tmp_path, "run", steps=2)))
    assert load_vocoder(run).config == PRESETS["tiny"].model
    assert main(configure("tiny", tiny_changes(tmp_path, "run", steps=3)), resume=True) == run


def test_the_table_in_the_recipe_names_every_preset() -> None:
    text = (Path(__file__).parents[2] / "recipes" / "vocoder_speech.py").read_text(encoding="utf-8")
    for name in PRESETS:
        assert f"# {name} " in text
