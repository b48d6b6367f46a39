from demo.attempts import FREE, LONGEST, Attempts


def test_every_wrong_password_makes_the_next_wait_longer() -> None:
    now = [100.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(FREE):
        assert attempts.wait("a") == 0.0
        attempts.count("a")
    assert attempts.wait("a") == 0.0
    waits = []
    for _ in range(12):
        attempts.count("a")
        waits.append(attempts.wait("a"))
    assert waits[:4] == [2.0, 4.0, 8.0, 16.0]
    assert waits[-1] == LONGEST
    assert attempts.wait("b") == 0.0
    now[0] += LONGEST
    assert attempts.wait("a") == 0.0


def test_the_right_password_ends_the_waiting_and_few_addresses_are_remembered() -> None:
    attempts = Attempts(lambda: 0.0)
    for _ in range(FREE + 1):
        attempts.count("a")
    assert attempts.wait("a") > 0.0
    attempts.forget("a")
    assert attempts.wait("a") == 0.0
    for number in range(20_000):
        attempts.count(str(number))
    assert len(attempts._wrong) == 10_000
