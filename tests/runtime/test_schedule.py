import numpy as np
import pytest

from audiodiff.errors import AudiodiffError
from audiodiff.runtime.schedule import ESTIMATE, Call, Schedule, find_schedule, run

TABLE = Schedule(
    ("euler", "uniform", 2),
    (0, ESTIMATE, 5, ESTIMATE),
    (Call((0.0, 1.0, 2.0, 0.25), (3.0,), 1.0), Call((0.5, 1.0, 1.0, 0.75), (0.0, 1.0, 0.5), 0.5)),
    (0.0, 1.0, 0.0, 1.0),
)


def test_a_run_is_what_the_table_says() -> None:
    seen = []

    def network(x, c_noise, time):
        seen.append((x.tolist(), c_noise, time))
        return x + 1.0

    made = run(TABLE, lambda draw: np.full(2, draw + 1.0, np.float32), network)
    # noise 1 -> x 3, the network sees 6 and says 7; x = 7 + 0.5 * 6 = 10, the network says 11, with skip 16
    assert seen == [([6.0, 6.0], 0.25, 1.0), ([10.0, 10.0], 0.75, 0.5)]
    assert made.tolist() == [23.0, 23.0]


def test_what_is_not_there_is_refused_with_what_is() -> None:
    known = [TABLE.to_dict()]
    assert find_schedule(known, "here", sampler="euler", grid="uniform", steps=2) == TABLE
    with pytest.raises(AudiodiffError, match=r"with 2 steps, not with 3; .* --steps 3"):
        find_schedule(known, "here", sampler="euler", grid="uniform", steps=3)
    with pytest.raises(AudiodiffError, match=r"no heun on the uniform grid; it has euler/uniform"):
        find_schedule(known, "here", sampler="heun", grid="uniform", steps=2)


@pytest.mark.parametrize(
    "change", [{"output": [1.0] * 9}, {"columns": ["a"]}, {"calls": [{"weights": []}]}, {"steps": "2"}]
)
def test_a_damaged_table_is_refused(change: dict) -> None:
    with pytest.raises(AudiodiffError, match="here"):
        Schedule.from_dict({**TABLE.to_dict(), **change}, "here")
