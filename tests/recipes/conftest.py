"""A tiny latent model, and the same trained further on embeddings of clips."""

from pathlib import Path

import pytest

from audiodiff_recipes import latent
from tests.recipes.latent_corpus import embedded, make_place, small_vocoder, tiny


@pytest.fixture(scope="session")
def embedded_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with shards, their codec `ae`, and the models `plain` and `embedded`, the second with a vocoder."""
    folder = make_place(tmp_path_factory.mktemp("embedding"))
    latent.train(tiny(folder, "plain"), resume=False)
    vocoder = str(small_vocoder(folder / "vocoder"))
    embedded(folder, "embedded", **{"train.validate_every": "3", "vocoder": vocoder, "validation.sounds": "false"})
    return folder
