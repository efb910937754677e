"""Exchange calendars: the hours of an exchange, found by another process, stored, and obeyed."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import firstwatch
from firstwatch.backtest.baseline import settings_json, settings_of
from firstwatch.backtest.simulate import BacktestSettings, simulate
from firstwatch.market import exchange_hours
from firstwatch.market.exchange_hours import hours_of, with_hours
from firstwatch.market.launch_files import read_session
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import parse_iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.exchange_hours import ExchangeHours
from firstwatch.trading.launch import SessionPolicy, SessionSettings
from firstwatch.trading.launch_words import session_words
from firstwatch.trading.market import Market
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles

M30 = Timeframe("30m")


def session(code: str = "XNYS", **changed: object) -> SessionSettings:
    return SessionSettings(policy=SessionPolicy.PAUSE_ENTRIES, calendar=code, **changed)


def may_enter(calendar: SessionCalendar, moment: str) -> bool:
    return calendar.may_enter(parse_iso(moment), M30)


@given(st.lists(st.integers(1, 20_000), max_size=60), st.integers(0, 2**31), st.integers(0, 10**6))
def test_hours_come_back_as_they_were(gaps: list[int], first: int, rest: int) -> None:
    gaps = gaps[: len(gaps) // 2 * 2]
    turns = tuple(int(turn) for turn in first + np.cumsum(gaps, dtype=np.int64)) if gaps else ()
    hours = ExchangeHours("XNYS", first, (turns or (first,))[-1] + rest, turns)
    assert ExchangeHours.unpack(hours.pack()) == hours


@pytest.mark.parametrize("text", ["", "x", "c$}>rjS`yv", "!!!"])
def test_damaged_hours_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="damaged"):
        ExchangeHours.unpack(text)


@pytest.mark.parametrize("turns", [(5,), (5, 5), (7, 6), (1, 5), (5, 30)])
def test_hours_that_do_not_rise_are_refused(turns: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="in turn"):
        ExchangeHours("X", 3, 20, turns)


# --- what the library knows ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def new_york() -> SessionCalendar:
    pytest.importorskip("exchange_calendars")
    return SessionCalendar(with_hours(session()))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2024-07-02T13:29:00Z", False),  # summer time: from 9:30 in New York
        ("2024-07-02T13:30:00Z", True),
        ("2024-07-02T20:00:00Z", False),
        ("2024-12-03T13:59:00Z", False),  # winter time
        ("2024-12-03T14:30:00Z", True),
        ("2024-07-03T16:59:00Z", True),  # half a day before the holiday
        ("2024-07-03T17:00:00Z", False),
        ("2024-07-04T15:00:00Z", False),  # Independence Day
        ("2024-12-25T15:00:00Z", False),
        ("2024-07-06T15:00:00Z", False),  # Saturday
    ],
)
def test_holidays_and_half_days_are_pauses(new_york: SessionCalendar, moment: str, expected: bool) -> None:
    assert may_enter(new_york, moment) is expected


def test_a_break_within_the_day_is_a_pause() -> None:
    pytest.importorskip("exchange_calendars")
    hong_kong = SessionCalendar(with_hours(session("XHKG")))
    assert may_enter(hong_kong, "2024-07-02T03:59:00Z")
    assert not may_enter(hong_kong, "2024-07-02T04:30:00Z")
    assert may_enter(hong_kong, "2024-07-02T05:00:00Z")


def test_outside_of_the_hours_is_the_rest_of_the_time_that_is_known(new_york: SessionCalendar) -> None:
    outside = SessionCalendar(new_york.settings.model_copy(update={"trading": "outside"}))
    assert may_enter(outside, "2024-07-04T15:00:00Z")
    assert not may_enter(outside, "2024-07-02T15:00:00Z")
    assert not may_enter(outside, "1999-07-04T15:00:00Z")


def test_flags_and_moments_agree(new_york: SessionCalendar) -> None:
    for policy in (SessionPolicy.PAUSE_ENTRIES, SessionPolicy.FLATTEN):
        settings = new_york.settings.model_copy(update={"policy": policy, "lead_minutes": 30})
        calendar = SessionCalendar(settings)
        opens = parse_iso("2024-06-28") + np.arange(1_000, dtype=np.int64) * M30.ms
        flags = calendar.flags(opens, M30)
        closes = (opens + M30.ms).tolist()
        assert flags.may_enter.tolist() == [calendar.may_enter(close, M30) for close in closes]
        assert flags.must_flatten.tolist() == [calendar.must_flatten(close, M30) for close in closes]
        assert flags.may_enter.any()


def test_bars_longer_than_the_hours_are_refused(new_york: SessionCalendar) -> None:
    assert new_york.problem(M30) is None
    assert "longer than every trading window" in (new_york.problem(Timeframe.D1) or "")


def test_an_exchange_that_never_closes_has_no_pause() -> None:
    pytest.importorskip("exchange_calendars")
    always = SessionCalendar(with_hours(session("24/7")))
    assert may_enter(always, "2024-12-25T03:00:00Z")
    assert always.problem(Timeframe.D1) is None


def test_a_code_that_does_not_exist_names_the_nearest() -> None:
    pytest.importorskip("exchange_calendars")
    with pytest.raises(WrongUseError, match=r'calendar "XNYSE": there is no exchange.*XNYS'):
        with_hours(session("XNYSE"))


# --- without the library, and in processes that must not load it ---------------------------------


def test_without_the_library_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(exchange_hours.__file__).with_name("exchange_calendar.py")
    code = "import sys; sys.modules['exchange_calendars'] = None; sys.argv = ['x', 'XNYS'];"
    code += f"import runpy; runpy.run_path({str(source)!r}, run_name='__main__')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode != 0
    assert found.stderr.strip() == (
        "exchange calendars need the extra calendars: pip install 'firstwatch[calendars]'"
    )
    hours_of.cache_clear()
    monkeypatch.setattr(exchange_hours.sys, "executable", "/nowhere/python")
    with pytest.raises(WrongUseError, match="could not be computed"):
        hours_of("XLON")


def test_only_the_process_of_its_own_imports_the_library_and_pandas() -> None:
    package = Path(firstwatch.__file__).parent
    users = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & {"exchange_calendars", "pandas"}:
                users.add(path.relative_to(package).as_posix())
    assert users == {"market/exchange_calendar.py"}


def test_a_run_s_calendar_is_made_without_the_library_and_pandas(new_york: SessionCalendar) -> None:
    code = (
        "import sys\n"
        "for name in ('pandas', 'exchange_calendars'): sys.modules[name] = None\n"
        "from firstwatch.engine.host.host import EngineHost\n"
        "from firstwatch.engine.worker.startup import RunStartup\n"
        "from firstwatch.market.sessions import SessionCalendar\n"
        "from firstwatch.trading.launch import SessionSettings\n"
        "from firstwatch.trading.timeframe import Timeframe\n"
        "calendar = SessionCalendar(SessionSettings.model_validate_json(sys.stdin.read()))\n"
        "print(calendar.may_enter(1719927000000, Timeframe('30m')))\n"
    )
    text = new_york.settings.model_dump_json()
    found = subprocess.run(
        [sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "True"


# --- stored with a run and a backtest ------------------------------------------------------------


def test_the_hours_are_stored_with_the_settings(new_york: SessionCalendar) -> None:
    stored = BacktestSettings(session=new_york.settings)
    assert settings_of(settings_json(stored)) == stored
    assert new_york.settings.hours is not None
    assert len(new_york.settings.hours) < 20_000
    assert session_words(new_york.settings) == "pause entries outside of the hours of XNYS"


def test_a_session_of_weekly_windows_keeps_its_text() -> None:
    text = SessionSettings().model_dump_json()
    assert "hours" not in text


def test_settings_without_their_hours_are_refused_where_they_cannot_be_found() -> None:
    with pytest.raises(WrongUseError, match="its hours are not known here"):
        SessionCalendar(session())


def test_a_backtest_trades_in_the_hours_of_the_exchange(tmp_path: Path) -> None:
    pytest.importorskip("exchange_calendars")
    file = tmp_path / "session.toml"
    file.write_text('policy = "flatten"\ncalendar = "XNYS"\n')
    chosen = BacktestSettings(session=read_session(file))
    candles = generated_candles(3, 2_000)
    spec = AlgorithmSpec.from_toml(
        'name = "x"\ndirection = "long"\ntimeframe = "1h"\n[entry.long]\nrequired = ["close > open"]\n'
        "[sizing]\nequity = 0.5\n"
    )
    result = simulate(spec, candles, market=Market(), costs=Costs.of_market(Market()), settings=chosen)
    assert len(result.records) > 20
    calendar = SessionCalendar(chosen.session)
    for trade in result.records:
        assert calendar.may_enter(trade.entry_time_ms, candles.timeframe)
    assert {trade.reason for trade in result.records} <= {ExitReason.SESSION, ExitReason.END_OF_DATA}
    old = CandleArrays(
        candles.time_ms - 20 * 365 * 86_400_000 - 10 * 366 * 86_400_000,
        candles.open, candles.high, candles.low, candles.close, candles.volume, candles.timeframe,
    )  # fmt: skip
    with pytest.raises(WrongUseError, match=r"the hours of XNYS are known from 2000-01-01"):
        simulate(spec, old, market=Market(), costs=Costs.of_market(Market()), settings=chosen)
