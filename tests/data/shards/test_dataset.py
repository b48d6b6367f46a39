import json
import subprocess
import sys

import fsspec
import numpy as np
import pytest
import torch

from audiodiff.data.shards import LatentDataset
from audiodiff.errors import AudiodiffError
from audiodiff.text.chords import chord_features, parse_chords
from tests.data.latents import INDEX, LENGTHS, clip, latent_of, states_of, write
from tests.refusals import refused


@pytest.fixture(params=["memory", "drawn"])
def data(tmp_path, request):
    dataset = LatentDataset(write(tmp_path / "out"), memory_gb=4.0 if request.param == "memory" else 0.0)
    assert dataset.in_memory is (request.param == "memory")
    return dataset


def same(one, two):
    return all(
        torch.equal(torch.nan_to_num(getattr(one, name), -1.0), torch.nan_to_num(getattr(two, name), -1.0))
        for name in ("latents", "tokens", "mask", "numbers", "classes", "beats", "chords", "lengths", "index")
    )


def test_clips_come_back(data):
    assert len(data) == 5
    assert data.index == INDEX
    assert data.seconds == pytest.approx(100 / 21.5)
    assert [record.key for record in data.clips] == [f"clip-{number}" for number in range(5)]
    for number, record in enumerate(data.clips):
        assert torch.equal(data.latent(number), latent_of(number, LENGTHS[number]))
        assert len(data.states(number)) == number % 3
        for caption, states in enumerate(data.states(number)):
            assert torch.equal(states, states_of(number, caption))
        original = clip(number)
        for name in ("texts", "numbers", "classes", "source", "licence", "seconds", "beats", "chords"):
            assert getattr(record, name) == getattr(original, name)


def test_shapes_and_types(data):
    batch = data.batch(0, 0, 32, 12)
    longest = int(batch.mask.sum(dim=1).max())
    expected = {
        "latents": ((32, 2, 12), torch.float32),
        "tokens": ((32, longest, 3), torch.float32),
        "mask": ((32, longest), torch.bool),
        "numbers": ((32, 2), torch.float32),
        "classes": ((32, 2), torch.int64),
        "beats": ((32, 12), torch.float32),
        "chords": ((32, 24, 12), torch.float32),
        "lengths": ((32,), torch.int64),
        "index": ((32,), torch.int64),
    }
    assert {name: (tuple(getattr(batch, name).shape), getattr(batch, name).dtype) for name in expected} == expected


def test_rows_are_crops_of_their_clip(data):
    captions = set()
    for step in range(20):
        batch = data.batch(1, step, 16, 12)
        for row, number in enumerate(batch.index.tolist()):
            length = min(LENGTHS[number], 12)
            assert int(batch.lengths[row]) == length
            counts, which = batch.latents[row]
            assert torch.equal(counts[:length], torch.arange(length) + counts[0])
            assert 1 <= float(counts[0]) <= LENGTHS[number] - length + 1
            assert which[:length].tolist() == [number + 1.0] * length
            assert not batch.latents[row, :, length:].any()
            real = batch.tokens[row][batch.mask[row]]
            assert not batch.tokens[row][~batch.mask[row]].any()
            if number % 3:
                caption = int(real[0, 1])
                captions.add((number, caption))
                assert torch.equal(real, states_of(number, caption))
                assert bool(batch.mask[row, : len(real)].all())
            else:
                assert len(real) == 0
            if number % 2:
                place = counts[0] - 1 + torch.arange(12)
                torch.testing.assert_close(batch.beats[row], (place + 0.5) / 2, rtol=0, atol=1e-3)
            else:
                assert batch.beats[row].isnan().all()
            seconds = (counts[0] - 0.5 + torch.arange(12)) / 21.5
            for place, second in enumerate(seconds.tolist()):
                starts = [chord for chord in clip(number).chords if chord.start <= second]
                told = batch.chords[row, :, place]
                if not starts or not starts[-1].name:
                    assert told.isnan().all()
                else:
                    assert tuple(told.tolist()) == chord_features(parse_chords(starts[-1].name)[0][0])
            tempo = float(batch.numbers[row, 0])
            assert tempo == 60.0 + number if number % 2 else np.isnan(tempo)
            assert np.isnan(float(batch.numbers[row, 1]))
            assert batch.classes[row].tolist() == ([2, 0] if number % 2 else [0, 1])
    assert captions == {(1, 0), (2, 0), (2, 1), (4, 0)}


def test_a_batch_without_any_caption(tmp_path):
    data = LatentDataset(write(tmp_path / "out", range(3, 4)))
    batch = data.batch(0, 0, 2, 4)
    assert batch.tokens.shape == (2, 1, 3)
    assert not batch.mask.any()


def test_a_pure_function_of_its_arguments(tmp_path, data):
    first = data.batch(3, 17, 8, 12)
    data.batch(3, 18, 5, 7)
    np.random.default_rng(5)
    torch.manual_seed(1)
    memory = fsspec.filesystem("memory")
    memory.put(f"{tmp_path}/out/", "/pure/", recursive=True)
    for again in (
        data,
        LatentDataset(tmp_path / "out"),
        LatentDataset(tmp_path / "out", memory_gb=0.0),
        LatentDataset("memory://pure"),
        LatentDataset([f"memory://pure/shard-00000{number}.tar" for number in range(3)], memory_gb=0.0),
        LatentDataset(tmp_path / "out", weights={"odd": 1.0}),
    ):
        assert same(again.batch(3, 17, 8, 12), first)
    for other in (data.batch(4, 17, 8, 12), data.batch(3, 16, 8, 12)):
        assert not same(other, first)


def counts(data, steps=60):
    index = torch.cat([data.batch(0, step, 64, 5).index for step in range(steps)])
    return (torch.bincount(index, minlength=len(data)) / len(index)).tolist()


def test_clips_are_drawn_by_duration_and_weight(tmp_path):
    folder = write(tmp_path / "out")
    lengths = np.array(LENGTHS)
    assert counts(LatentDataset(folder)) == pytest.approx((lengths / 100).tolist(), abs=0.03)
    by_source = lengths * [1, 3, 1, 3, 1]
    assert counts(LatentDataset(folder, weights={"odd": 3.0})) == pytest.approx(
        (by_source / by_source.sum()).tolist(), abs=0.03
    )
    by_clip = lengths * [0, 1, 5, 0, 0]
    assert counts(LatentDataset(folder, weights=[0, 1, 5, 0, 0])) == pytest.approx(
        (by_clip / by_clip.sum()).tolist(), abs=0.03
    )


def test_every_place_of_a_clip_is_reached(tmp_path):
    data = LatentDataset(write(tmp_path / "out"), weights=[0, 1, 0, 0, 0])
    starts = torch.cat([data.batch(0, step, 64, 7).latents[:, 0, 0] for step in range(10)])
    assert (torch.bincount(starts.long()) / len(starts)).tolist() == pytest.approx([0, *[0.25] * 4], abs=0.06)


def test_damage_is_found_when_opened_or_drawn(tmp_path):
    folder = write(tmp_path / "out")
    path = folder / "shard-000001.tar"
    lazy = LatentDataset(folder, memory_gb=0.0)
    content = path.read_bytes()
    path.write_bytes(content[:900])
    for memory_gb in (0.0, 1.0):
        with pytest.raises(AudiodiffError, match="has 900 bytes"):
            LatentDataset(folder, memory_gb=memory_gb)
    refused(r"clip-3 in .*shard-000001\.tar is truncated", lambda: lazy.latent(3))
    path.write_bytes(b"\0" * len(content))
    refused(r"truncated or not a \.npy file", lambda: LatentDataset(folder))
    path.unlink()
    for memory_gb in (0.0, 1.0):
        with pytest.raises(AudiodiffError, match="cannot be read"):
            LatentDataset(folder, memory_gb=memory_gb)


def test_labels_that_the_index_lacks_are_told(tmp_path):
    folder = write(tmp_path / "out")
    table = folder / "shard-000000.json"
    table.write_text(table.read_text("utf-8").replace("waltz", "polka"), "utf-8")
    refused(r"clip-1 in .*'polka' is not in the shard index", lambda: LatentDataset(folder))


@pytest.mark.parametrize("memory_gb", [0.0, 1.0])
def test_a_table_of_another_tar_is_noticed(tmp_path, memory_gb):
    folder = write(tmp_path / "out")
    table = folder / "shard-000000.json"
    one, two = json.loads(table.read_text("utf-8"))
    one["latent"], two["latent"] = two["latent"], one["latent"]
    table.write_text(json.dumps([one, two]))
    with pytest.raises(AudiodiffError, match=r"clip-0 in .* float16 \[2, 10\]; expected float16 \[2, 40\]"):
        LatentDataset(folder, memory_gb=memory_gb).latent(0)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"oddd": 2.0}, "No clip is from oddd; the sources are: even, odd"),
        ({"odd": -1.0}, "negative"),
        ({"odd": float("nan")}, "not finite"),
        ({"odd": 0.0, "even": 0.0}, "leave no clip"),
        ({"odd": 1e308}, "too large"),
        ([1.0] * 4, "4 weights for 5 clips"),
    ],
)
def test_weights_are_checked(tmp_path, weights, words):
    folder = write(tmp_path / "out")
    with np.errstate(over="ignore"), pytest.raises(AudiodiffError, match=words):
        LatentDataset(folder, weights=weights)


def test_arguments_are_checked(data):
    for arguments in ((-1, 0, 1, 1), (0, -1, 1, 1), (0, 0, 0, 1), (0, 0, 1, 0)):
        with pytest.raises(AudiodiffError, match="or more"):
            data.batch(*arguments)


@pytest.mark.slow
def test_fsspec_is_loaded_only_when_shards_are_opened():
    code = "import sys; before = set(sys.modules); import torch; had = 'fsspec' in sys.modules;\
        import audiodiff.data.shards; assert ('fsspec' in sys.modules) == had"
    subprocess.run([sys.executable, "-c", code], check=True)
