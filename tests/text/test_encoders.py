import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.text.encoders import open_encoder


@pytest.mark.parametrize("name", ["", "bert", "t5", "t5:", "clap: ", "minilm:x", "T5:a/b"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(AudiodiffError, match="expected minilm"):
        open_encoder(name)
