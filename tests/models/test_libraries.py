"""Names of models of other libraries."""

from pathlib import Path

from audiodiff.models.find import find_checkpoint, public_name
from audiodiff.models.kinds import imported
from audiodiff.models.libraries import LIBRARIES, library_of, place_in
from tests.refusals import refused


def test_a_name_begins_with_its_library() -> None:
    assert library_of("diffusers:stabilityai/stable-audio-open-1.0") is LIBRARIES["diffusers"]
    assert library_of(Path("diffusers")) is None
    assert library_of("hf:ORG/NAME") is None
    assert library_of("music") is None


def test_a_folder_here_comes_before_the_hub(tmp_path: Path) -> None:
    assert place_in(f"diffusers:{tmp_path}") == (str(tmp_path), tmp_path)
    assert place_in("diffusers:ORG/NAME@main") == ("ORG/NAME@main", None)
    assert place_in("diffusers:") == ("", None)


def test_files_never_tell_a_path(tmp_path: Path) -> None:
    assert public_name(f"diffusers:{tmp_path}") == f"diffusers:{tmp_path.name}"
    assert public_name("diffusers:ORG/NAME") == "diffusers:ORG/NAME"


def test_what_takes_a_checkpoint_refuses_them() -> None:
    refused("is a pipeline of diffusers.*the folder of a checkpoint", lambda: find_checkpoint("diffusers:ORG/NAME"))


def test_everything_in_the_table_is_there() -> None:
    for library in LIBRARIES.values():
        for path in (library.synthesizer, library.verbs, library.weights):
            assert callable(imported(path))
