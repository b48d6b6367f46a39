import pytest

from audiodiff.text.encoders import open_encoder
from tests.refusals import refused


@pytest.mark.parametrize("name", ["", "bert", "t5", "t5:", "clap: ", "minilm:x", "T5:a/b"])
def test_unknown_names_are_refused(name: str) -> None:
    refused("expected minilm", lambda: open_encoder(name))
