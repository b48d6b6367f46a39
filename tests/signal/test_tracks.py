import torch

from audiodiff.signal.tracks import Track


def test_rows_are_found_by_their_place_until_they_are_dropped() -> None:
    track, rows = Track(), torch.randn(10, 2)
    for part in rows.split([3, 0, 4, 3]):
        track.append(part)
        assert torch.equal(track.rows(track.start, track.stop), rows[track.start : track.stop])
        track.drop(track.stop - 2)
    assert (track.start, track.stop) == (8, 10)
    assert torch.equal(track.take(1), rows[8:9])
    assert torch.equal(track.rows(9, 10), rows[9:])


def test_what_is_dropped_is_not_kept_in_memory() -> None:
    track = Track()
    track.append(torch.zeros(1000, 4))
    track.drop(999)
    assert track.rows(999, 1000).untyped_storage().nbytes() == 16
