from dataclasses import replace
from pathlib import Path

import pytest

from audiodiff.errors import AudiodiffError
from demo.takes import TakeFacts, Takes


def facts(folder: Path, name: str, made_from: tuple[str, ...] = ()) -> TakeFacts:
    path = folder / f"{name}.flac"
    path.write_bytes(b"sound")
    return TakeFacts(path, path, sha256=name, made_from=made_from)


def gone(page: str) -> bool:
    return False


def still_open(page: str) -> bool:
    return True


def names(takes: Takes, page: str) -> list[str]:
    return [take.facts.sha256 for take in takes.shown(page)]


def test_takes_survive_a_reload_and_are_listed_with_the_newest_first(tmp_path: Path) -> None:
    takes = Takes()
    token, ended = takes.attach("page", "", listens=still_open)
    assert ended is None
    for name in "ab":
        takes.add("page", facts(tmp_path, name))
    assert takes.attach("reloaded", token, listens=gone) == (token, None)
    assert names(takes, "reloaded") == ["b", "a"]
    assert [take.number for take in takes.shown("reloaded")] == [2, 1]


def test_a_reload_learns_what_became_of_the_job_that_it_ended_once(tmp_path: Path) -> None:
    takes = Takes()
    token, _ = takes.attach("page", None, listens=still_open)
    takes.begin("page", 4)
    takes.add("page", facts(tmp_path, "a"))
    assert takes.attach("second tab", token, listens=still_open) == (token, None)  # the job goes on
    assert takes.has_other_jobs("second tab")
    assert not takes.has_other_jobs("page")
    assert takes.attach("reloaded", token, listens=gone) == (token, (4, 1))
    assert takes.attach("again", token, listens=gone) == (token, None)
    takes.begin("again", 2)
    takes.end("again")
    assert takes.attach("last", token, listens=gone) == (token, None)


HOSTILE = ["", "page", "../../etc/passwd", None, 0, ["a"], {"a": 1}, "a" * 10_000, "\0"]


@pytest.mark.parametrize("said", HOSTILE, ids=repr)
def test_nobody_reaches_another_visit(tmp_path: Path, said: object) -> None:
    takes = Takes()
    mine, _ = takes.attach("page", None, listens=still_open)
    take = takes.add("page", facts(tmp_path, "a"))
    token, _ = takes.attach("stranger", said, listens=still_open)
    assert token != mine
    assert names(takes, "stranger") == []
    for name in (said, take.id, take.facts.sha256, take.number):
        for act in (takes.get, takes.star, takes.delete):
            with pytest.raises(AudiodiffError, match="not on the server any more"):
                act("stranger", name)
    assert takes.undelete("stranger") is None
    assert takes.find("stranger", "a") is None
    assert names(takes, "page") == ["a"]
    assert not takes.shown("page")[0].starred


def test_tokens_cannot_be_guessed() -> None:
    tokens = {Takes().attach("page", None, listens=still_open)[0] for _ in range(50)}
    assert len(tokens) == 50
    assert min(map(len, tokens)) >= 32  # 24 bytes


def test_stars_and_deletions_can_be_taken_back_in_turn(tmp_path: Path) -> None:
    takes = Takes()
    made = {name: takes.add("page", facts(tmp_path, name)) for name in "abc"}
    assert takes.star("page", made["a"].id).starred
    assert not takes.star("page", made["a"].id).starred
    takes.delete("page", made["a"].id)
    takes.delete("page", made["c"].id)
    assert names(takes, "page") == ["b"]
    for name in "ca":
        last = takes.deleted("page")
        assert last is not None
        assert last.facts.sha256 == name
        takes.undelete("page")
    assert takes.deleted("page") is None
    assert takes.undelete("page") is None
    assert names(takes, "page") == ["c", "b", "a"]


def test_a_file_that_is_gone_leaves_the_list(tmp_path: Path) -> None:
    takes = Takes()
    for name in "ab":
        takes.add("page", facts(tmp_path, name))
    takes.delete("page", takes.shown("page")[0].id)
    for take in "ab":
        (tmp_path / f"{take}.flac").unlink()
    assert names(takes, "page") == []
    assert takes.deleted("page") is None


def test_the_oldest_without_a_star_leave_a_full_list(tmp_path: Path) -> None:
    takes = Takes(most=3)
    first = takes.add("page", facts(tmp_path, "a"))
    takes.star("page", first.id)
    for name in "bcd":
        takes.add("page", facts(tmp_path, name))
    assert names(takes, "page") == ["d", "c", "a"]
    for take in takes.shown("page")[:2]:
        takes.star("page", take.id)
    takes.add("page", facts(tmp_path, "e"))
    assert names(takes, "page") == ["e", "d", "c"]  # where all are starred, the oldest


def test_the_visit_that_was_longest_idle_is_forgotten_first(tmp_path: Path) -> None:
    takes = Takes(most_visits=2)
    tokens = [takes.attach(page, None, listens=still_open)[0] for page in "ab"]
    takes.add("a", facts(tmp_path, "x"))
    takes.attach("c", None, listens=still_open)
    assert names(takes, "a") == ["x"]
    assert takes.attach("b again", tokens[1], listens=still_open)[0] != tokens[1]


def test_versions_lead_back_to_the_first(tmp_path: Path) -> None:
    takes = Takes()
    takes.add("page", facts(tmp_path, "a"))
    takes.add("page", facts(tmp_path, "b", ("a",)))
    takes.add("page", facts(tmp_path, "other", ("uploaded",)))
    last = takes.add("page", facts(tmp_path, "c", ("b", "other")))
    assert [take.facts.sha256 for take in takes.versions("page", last)] == ["a", "b", "c"]
    found = takes.find("page", "other")
    assert found is not None
    assert takes.versions("page", found) == [found]
    circle = takes.add("page", facts(tmp_path, "d", ("d",)))
    assert takes.versions("page", circle) == [circle]
    (tmp_path / "b.flac").unlink()
    assert takes.versions("page", replace(last)) == [last]
