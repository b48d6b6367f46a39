import multiprocessing

import pytest
import torch

from audiodiff.errors import AudiodiffError
from audiodiff.text import cache as module
from audiodiff.text.cache import CachedEncoder
from tests.text.fakes import WordEncoder

TEXTS = ["warm piano", "dog", "", "dog", "日本 🎹", "w " * 30]


def same(one, two):
    return torch.equal(one.tokens, two.tokens) and one[1:] == two[1:]


def all_same(one, two):
    return all(same(a, b) for a, b in zip(one, two, strict=True))


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_states_are_the_encoders_bit_for_bit(tmp_path):
    encoder = WordEncoder()
    cached = CachedEncoder(encoder, tmp_path / "deep" / "cache")
    assert (cached.name, cached.width, cached.max_tokens) == ("words", 6, 12)
    expected = WordEncoder().encode(TEXTS)
    assert all_same(cached.encode(TEXTS), expected)
    assert encoder.encoded == list(dict.fromkeys(TEXTS))
    # From disk, now and in another process's eyes.
    fresh = WordEncoder()
    assert all_same(cached.encode(TEXTS[::-1]), expected[::-1])
    assert all_same(CachedEncoder(fresh, tmp_path / "deep" / "cache").encode(TEXTS), expected)
    assert fresh.encoded == []
    assert encoder.encoded == list(dict.fromkeys(TEXTS))
    assert len(files(tmp_path / "deep" / "cache")) == 1


def test_only_what_is_missing_is_encoded(tmp_path):
    encoder = WordEncoder()
    one, two = CachedEncoder(encoder, tmp_path), CachedEncoder(encoder, tmp_path)
    one.encode(["a"])
    two.encode(["a", "b"])
    one.encode(["b", "a", "c"])
    assert encoder.encoded == ["a", "b", "c"]
    assert one.encode([]) == []
    assert len(files(tmp_path)) == 3


def test_encoders_do_not_mix(tmp_path):
    for encoder in (WordEncoder(), WordEncoder(name="other"), WordEncoder(max_tokens=5), WordEncoder(width=3)):
        (states,) = CachedEncoder(encoder, tmp_path).encode(["a b c d e f"])
        if encoder.width == 6:
            assert len(encoder.encoded) == 1
        assert states.tokens.shape == (min(8, encoder.max_tokens), encoder.width)


def test_long_lists_are_stored_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 2)
    encoder = WordEncoder()

    def stop(texts):
        if "d" in texts:
            raise KeyboardInterrupt
        return WordEncoder.encode(encoder, texts)

    with monkeypatch.context() as patch:
        patch.setattr(encoder, "encode", stop)
        with pytest.raises(KeyboardInterrupt):
            CachedEncoder(encoder, tmp_path).encode(list("abcd"))
    CachedEncoder(encoder, tmp_path).encode(list("abcd"))
    assert encoder.encoded == list("abcd")


@pytest.mark.parametrize("where", [0, 9, 200, -300, -30, -1])
def test_damage_is_encoded_again_and_mended(tmp_path, where):
    expected = CachedEncoder(WordEncoder(), tmp_path).encode(TEXTS)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[where] ^= 0x15
    path.write_bytes(content)
    for encoder in (WordEncoder(), WordEncoder()):
        assert all_same(CachedEncoder(encoder, tmp_path).encode(TEXTS), expected)
        last = encoder.encoded
    assert last == []


def test_damage_beside_the_states_is_seen_as_well(tmp_path):
    expected = CachedEncoder(WordEncoder(), tmp_path).encode(TEXTS)
    assert "w w w" in expected[-1].dropped_text
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes().replace(b"w w w", b"w x w"))
    encoder = WordEncoder()
    assert all_same(CachedEncoder(encoder, tmp_path).encode(TEXTS), expected)
    assert encoder.encoded == TEXTS[-1:]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64])
def test_files_that_are_no_cache_are_passed_over(tmp_path, content):
    for name in ("a.safetensors", ".x.tmp", "readme.txt"):
        (tmp_path / name).write_bytes(content)
    assert all_same(CachedEncoder(WordEncoder(), tmp_path).encode(TEXTS), WordEncoder().encode(TEXTS))


def test_a_truncated_file_and_one_that_vanishes(tmp_path):
    cached = CachedEncoder(WordEncoder(), tmp_path)
    expected = cached.encode(TEXTS)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    assert all_same(cached.encode(TEXTS), expected)
    for item in tmp_path.iterdir():
        item.unlink()
    assert all_same(cached.encode(TEXTS), expected)


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(AudiodiffError, match="could not be written"):
        CachedEncoder(WordEncoder(), tmp_path).encode(["a"])
    assert files(tmp_path) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(AudiodiffError, match="cannot be made"):
        CachedEncoder(WordEncoder(), tmp_path / "file")


def test_others_may_read_the_files(tmp_path):
    CachedEncoder(WordEncoder(), tmp_path).encode(["a"])
    (path,) = tmp_path.iterdir()
    (tmp_path / "ordinary").touch()
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def _work(folder, first):
    cached = CachedEncoder(WordEncoder(), folder)
    for start in range(first, first + 20):
        texts = [f"text {number % 25}" for number in range(start, start + 6)]
        assert all_same(cached.encode(texts), WordEncoder().encode(texts))


@pytest.mark.slow
def test_two_processes_share_a_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(tmp_path, first)) for first in (0, 3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    encoder = WordEncoder()
    CachedEncoder(encoder, tmp_path).encode([f"text {number}" for number in range(25)])
    assert encoder.encoded == []
