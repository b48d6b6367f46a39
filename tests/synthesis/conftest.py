from pathlib import Path

import pytest

from audiodiff.synthesis.latent import LatentSynthesizer
from audiodiff.synthesis.load import load_generator
from tests.synthesis.latent_models import write_latent_model, write_prior_model


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a tiny latent model with random weights; it denoises 4 s at a time."""
    return write_latent_model(tmp_path_factory.mktemp("latent") / "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> LatentSynthesizer:
    return load_generator(tiny_folder, device="cpu")


@pytest.fixture(scope="session")
def prior_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a tiny latent model with a prior."""
    return write_prior_model(tmp_path_factory.mktemp("prior") / "tiny")


@pytest.fixture(scope="session")
def with_prior(prior_folder: Path) -> LatentSynthesizer:
    return load_generator(prior_folder, device="cpu")
