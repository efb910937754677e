"""Identical calls are refused when they come again and again, and only those."""

from firstwatch.mcp.loop_guard import MOST_CALLS, WINDOW_S, LoopGuard


def test_one_call_more_than_allowed_is_refused_until_the_first_is_a_minute_old():
    guard = LoopGuard()
    assert not any(guard.problem("same", now_s) for now_s in range(MOST_CALLS))
    assert "in 30 s" in guard.problem("same", MOST_CALLS)
    assert "in 1 s" in guard.problem("same", WINDOW_S - 0.5)
    assert not guard.problem("same", WINDOW_S)
    assert guard.problem("same", WINDOW_S)


def test_other_calls_are_not_counted_with_it():
    guard = LoopGuard()
    assert not any(guard.problem(f"call {number}", 0) for number in range(10 * MOST_CALLS))


def test_a_refused_call_does_not_move_the_end_of_the_wait():
    guard = LoopGuard()
    for _ in range(MOST_CALLS):
        guard.problem("same", 0)
    assert all(guard.problem("same", now_s) for now_s in range(int(WINDOW_S)))
    assert not guard.problem("same", WINDOW_S)


def test_it_remembers_a_bounded_number_of_calls():
    guard = LoopGuard()
    for _ in range(MOST_CALLS):
        guard.problem("old", 0)
    for number in range(5_000):
        guard.problem(f"call {number}", 1)
    assert not guard.problem("old", 1)
