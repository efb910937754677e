"""The outlook of a run: one small row, replaced at each close."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstwatch.store.database import Store
from firstwatch.store.outlooks import outlook_of, outlook_text_of, save_outlook
from firstwatch.trading.orders import Side
from firstwatch.trading.why import ConditionValue, Outlook
from tests.store.made import made_run, run_id_of

_FLOATS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
_NEEDS = st.builds(
    ConditionValue,
    group=st.sampled_from(["entry.long.required", "exit.short.optional", "stop_loss"]),
    condition=st.sampled_from(["close > open", "ema(9) crosses above ema(21)", "price <= stop"]),
    left=_FLOATS,
    right=_FLOATS,
    value=st.none() | st.booleans(),
    compares_prices=st.booleans(),
)
_OUTLOOKS = st.builds(
    Outlook,
    bar_time_ms=st.integers(0, 2**53),
    held=st.none() | st.sampled_from(Side),
    needs=st.lists(_NEEDS, max_size=4).map(tuple),
    waits=st.lists(st.sampled_from(["cooldown: 1 more bar", "you have paused entries"])).map(tuple),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_OUTLOOKS, min_size=1, max_size=3))
def test_the_last_outlook_is_read_as_it_was_written(store: Store, written: list[Outlook]) -> None:
    with store.write() as session:
        if outlook_text_of(session, run_id_of(1)) is None:
            made_run(session)
        for outlook in written:
            save_outlook(session, run_id_of(1), outlook)
        assert outlook_of(session, run_id_of(1)) == written[-1]
        assert session.exec_driver_sql("SELECT count(*) FROM run_outlook").scalar() == 1


def test_a_run_that_has_not_begun_has_none(store: Store) -> None:
    with store.write() as session:
        made_run(session)
        assert outlook_of(session, run_id_of(1)) is None


def test_eight_conditions_take_a_page_of_the_store(store: Store) -> None:
    """A row is written with each close of fifty runs."""
    needs = tuple(
        ConditionValue(
            group=f"entry.{side}.required",
            condition=condition,
            left=60_000 + number / 7,
            right=60_100 + number / 7,
            value=False,
            compares_prices=True,
        )
        for side in Side
        for number, condition in enumerate(
            ("ema(9) crosses above ema(21)", "close > sma(200)", "rsi(14) < 30", "adx(14)@4h > 25")
        )
    )
    with store.write() as session:
        made_run(session)
        save_outlook(session, run_id_of(1), Outlook(bar_time_ms=1_760_000_000_000, needs=needs))
        stored = session.exec_driver_sql("SELECT length(outlook_json) FROM run_outlook").scalar()
    assert stored is not None
    assert stored < 500
