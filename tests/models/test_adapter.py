import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from audiodiff.models.adapter import merge_into, open_adapters, part_adapters
from audiodiff.models.checkpoint import load_checkpoint, read_config, save_checkpoint
from audiodiff.nn.adapters import AdapterConfig
from tests.models.adapters import write_adapter
from tests.models.vocoder.cases import ANCHORED, FOLDED, make
from tests.refusals import refused


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "tiny"
    save_checkpoint(folder, make(ANCHORED), {})
    return folder


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    return write_adapter(tmp_path / "mine", base)


def test_what_is_saved_is_merged_as_strongly_as_asked_and_is_small(base: Path, adapter: Path) -> None:
    plain, whole, half = (load_checkpoint(base, nn.Module) for _ in range(3))
    (full,) = open_adapters([adapter])
    assert (full.strength, full.base.kind, full.metadata["word"]) == (1.0, "vocoder", "mine")
    merge_into(whole, [full])
    merge_into(half, open_adapters([f"{adapter}:0.5"]))
    moved = 0
    for name, value in plain.state_dict().items():
        change = whole.state_dict()[name] - value
        moved += bool(change.abs().max() > 1e-4)
        torch.testing.assert_close(half.state_dict()[name] - value, 0.5 * change, atol=1e-6, rtol=1e-4)
    assert moved > 10
    assert {value.dtype for value in load_file(adapter / "model.safetensors").values()} == {torch.float16}


def test_an_adapter_is_for_the_weights_that_it_was_made_for(base: Path, adapter: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    save_checkpoint(other, make(FOLDED), {})
    opened = open_adapters([adapter])
    assert part_adapters(opened, base) == [opened]
    assert part_adapters(opened, other, base) == [(), opened]
    refused("mine is for the model tiny .weights .*, and other has others", lambda: part_adapters(opened, other))
    assert part_adapters((), tmp_path / "nowhere", base) == [(), ()]
    # a copy of the base under another name will do
    copied = tmp_path / "copied"
    save_checkpoint(copied, load_checkpoint(base, nn.Module), {})
    assert part_adapters(opened, copied) == [opened]


def test_strengths(adapter: Path) -> None:
    (found,) = open_adapters([f"{adapter}:-0.25"])
    assert (found.folder, found.strength) == (adapter, -0.25)
    for strength in ("11", "nan", "-1e9", "inf"):
        refused(
            "strength .* expected a number from -10 to 10",
            lambda strength=strength: open_adapters([f"{adapter}:{strength}"]),
        )
    refused("given twice", lambda: open_adapters([adapter, f"{adapter}:0.3"]))
    refused("strength of the adapter .* is 'much'; expected a number", lambda: open_adapters([f"{adapter}:much"]))
    for nowhere in ("nowhere", "nowhere:0.5", "nowhere:much", ":0.5", "", str(adapter / "config.json")):
        refused("there is no adapter .*audiodiff adapt", lambda nowhere=nowhere: open_adapters([nowhere]))


def test_a_folder_may_have_a_colon_in_its_name(adapter: Path) -> None:
    for name in ("take:2", "take:two"):
        named = adapter.rename(adapter.parent / name)
        (found,) = open_adapters([named])
        assert (found.folder, found.strength) == (named, 1.0)
        (found,) = open_adapters([f"{named}:0.5"])
        assert (found.folder, found.strength) == (named, 0.5)
        adapter = named


def test_what_is_no_adapter_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    refused('kind "vocoder" and no adapter', lambda: open_adapters([base]))
    refused("is an adapter, which changes another model", lambda: read_config(adapter))
    config = json.loads((adapter / "config.json").read_text())

    def with_config(**changes: object) -> Path:
        (adapter / "config.json").write_text(json.dumps({**config, **changes}))
        return adapter

    for changes, words in (
        ({"format": 2}, "format 2"),
        ({"adapter": {"rank": 0}}, "rank is 0"),
        ({"adapter": {"width": 3}}, "unknown key"),
        ({"base": {}}, "lacks the key"),
        ({"base": 3}, "expected a table"),
    ):
        refused(words, lambda changes=changes: open_adapters([with_config(**changes)]))
    with_config()
    model, opened = load_checkpoint(base, nn.Module), open_adapters([adapter])
    weights = load_file(adapter / "model.safetensors")
    name = next(iter(weights))
    save_file({**weights, name: torch.full_like(weights[name], torch.nan)}, adapter / "model.safetensors")
    refused("not finite", lambda: merge_into(model, opened))
    save_file({each: value for each, value in weights.items() if each != name}, adapter / "model.safetensors")
    refused("does not fit tiny", lambda: merge_into(model, opened))
    (adapter / "model.safetensors").write_bytes(b"no")
    refused("damaged", lambda: merge_into(model, opened))
    (adapter / "model.safetensors").unlink()
    refused("is missing", lambda: open_adapters([adapter]))


def test_dora_is_saved_with_its_magnitudes(base: Path, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "dora", base, config=AdapterConfig(rank=2, method="dora"))
    assert any(name.endswith(".magnitude") for name in load_file(folder / "model.safetensors"))
    merge_into(load_checkpoint(base, nn.Module), open_adapters([folder]))
