"""How late orders are is told from the store, also where the feed went on at another pace."""

from tests.pty.stalled import Sent, lateness_ms

BAR_MS = 3_600_000


def sent(*rows_ms: int, took_ms: int = 5, period_ms: int = 2_000) -> list[Sent]:
    """Return an order for each bar, whose row came that long after the bar was due."""
    return [
        Sent(place * BAR_MS, place * period_ms + row_ms, place * period_ms + row_ms + took_ms)
        for place, row_ms in enumerate(rows_ms)
    ]


def late(orders: list[Sent], period_ms: int = 2_000) -> list[float]:
    return lateness_ms(orders, BAR_MS / period_ms)


def test_an_order_is_late_from_the_moment_when_its_bar_was_due():
    assert late(sent(3, 2, 40, 2)) == [6, 5, 43, 5]


def test_orders_that_are_very_late_once_are_counted():
    assert late(sent(2, 2, 900, 2, 2, 2)) == [5, 5, 903, 5, 5, 5]


def test_bars_that_all_come_later_from_then_on_are_the_feed_s():
    assert late(sent(2, 3, 2, 256, 258, 256, 257)) == [5, 6, 5, 5, 7, 5, 6]


def test_of_runs_on_one_feed_the_promptest_tells_for_all():
    one, other = sent(2, 2, 256, 256, 256), sent(90, 30, 300, 260, 290)
    assert late(one + other) == [5, 5, 5, 5, 5, 93, 33, 49, 9, 39]
