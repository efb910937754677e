"""What an operator writes is bounded, typed and finite, in every file and option."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.market.launch_files import read_guards, read_market, read_reset, read_session
from firstwatch.settings import load_settings
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.clock import iso, parse_iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.numbers import decimal_of
from firstwatch.trading.toml_file import parse_toml
from firstwatch.tui.controllers.wallet_fields import amount_problem
from firstwatch.tui.launch_form.parse import count, positive

DEEP, LONG = "[" * 20_000, "9" * 4_301


@pytest.mark.parametrize(
    "text",
    [
        "1e400",
        "1e-400",
        "1e-16",
        "1e16",
        "nan",
        "inf",
        "-Infinity",
        LONG,
        "0x10",
        "1_000",
        "１２",
        "1,5",
        "",
        "1e",
    ],
)
def test_what_is_no_number_within_bounds_is_refused_everywhere(text):
    with pytest.raises(ValueError, match=r"."):
        decimal_of(text)
    assert amount_problem(text.replace(",", ";"))
    if "," not in text:
        with pytest.raises(ValueError, match=r"."):
            positive(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=8))
def test_a_number_within_bounds_is_read_as_it_is(value):
    assert decimal_of(str(value)) == value


@pytest.mark.parametrize("text", ["9" * 5_000, "1000001", "-1", "1.0", "١"])
def test_a_count_is_bounded(text):
    with pytest.raises(ValueError, match="whole number"):
        count(text)


@given(st.text(max_size=40) | st.datetimes(timezones=st.none() | st.just(UTC)).map(datetime.isoformat))
def test_a_time_is_of_these_centuries_or_refused(text):
    try:
        time_ms = parse_iso(text)
    except ValueError:
        return
    assert parse_iso(iso(time_ms)) == time_ms


@given(st.integers())
def test_any_count_of_milliseconds_can_be_shown(time_ms):
    assert iso(time_ms)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("equity = 0.5", "equity = true"),
        ("equity = 0.5", "equity = '0.5'"),
        ("equity = 0.5", "equity = 1e-400"),
        ("equity = 0.5", f"equity = {LONG}"),
        ("equity = 0.5", f"equity = {DEEP}"),
        ("equity = 0.5", "equity = 2020-01-01"),
        ("equity = 0.5", "fixed = 1e300"),
        ("cooldown_bars = 3", "cooldown_bars = 10000000000000000000"),
        ("cooldown_bars = 3", "cooldown_bars = 1000001"),
        ("cooldown_bars = 3", "cooldown_bars = 3.0"),
        ("cooldown_bars = 3", "cooldown_bars = '3'"),
        ("trailing = true", "trailing = 1"),
        ("trailing = true", "trailing = 'yes'"),
        ('name = "RSI reversion"', "name = 2020-01-01"),
        ('name = "RSI reversion"', "name = 12"),
        ("fraction = 0.05", "fraction = inf"),
        ("fraction = 0.05", "fraction = true"),
    ],
)
def test_an_algorithm_takes_each_value_as_what_it_is(old, new):
    assert old in sample_toml()
    with pytest.raises(WrongUseError):
        AlgorithmSpec.from_toml(sample_toml().replace(old, new, 1))


@pytest.mark.parametrize("text", [f'{{"name": {DEEP}', f'{{"name": {LONG}}}', "[1]", "nul"])
def test_a_stored_version_that_is_damaged_is_a_sentence(text):
    with pytest.raises(WrongUseError):
        AlgorithmSpec.from_json(text)


def test_a_stored_version_is_read_back():
    spec = AlgorithmSpec.from_toml(sample_toml())
    assert AlgorithmSpec.from_json(spec.canonical_json()) == spec
    assert json.loads(spec.canonical_json())["sizing"] == {"equity": 0.5}


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_market, "taker_fee_bps = -1"),
        (read_market, "maker_fee_bps = -0.5"),
        (read_market, "taker_fee_bps = '4.5'"),
        (read_market, "tick = true"),
        (read_market, "tick = 1e-400"),
        (read_market, "tick = 1e300"),
        (read_market, f"tick = {LONG}"),
        (read_market, 'symbol = "a\\u001bb"'),
        (read_market, "symbol = ''"),
        (read_market, "maximum_leverage = 1e9"),
        (read_market, "maximum_leverage = 100000"),
        (read_guards, "drawdown = true"),
        (read_guards, "losing_trades = 10000000000000000000"),
        (read_guards, DEEP),
        (read_reset, "cooldown_bars = 10000000000000000000"),
        (read_session, "policy = 'flatten'\ntimezone = 'America'"),
        (read_session, "policy = 'flatten'\ntimezone = '../../etc/passwd'"),
        (read_session, "policy = 'flatten'\ntimezone = ''"),
        (read_session, 'policy = "flatten"\ntimezone = "\\u0000"'),
    ],
)
def test_a_launch_file_takes_each_value_as_what_it_is(tmp_path, read, text):
    path = tmp_path / "file.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WrongUseError):
        read(path)


@pytest.mark.parametrize(
    "text",
    [
        "refresh_hz = true",
        "refresh_hz = '2'",
        "theme = 3",
        "[limits]\ncapital_share = true",
        "[venues.p]\nkind = 'paper'\nspeed = '60'",
        "[venues.p]\nkind = 'paper'\nspeed = 1e300",
        "[venues.p]\nkind = 'paper'\nspeed = 1e-300",
        "[venues.p]\nkind = 'paper'\nstart = true",
        "[venues.p]\nkind = 'paper'\nstart = 0001-01-01T00:00:00+14:00",
        "[venues.p]\nkind = 'paper'\nfee_bps = -1",
        "[venues.p]\nkind = 'paper'\nmaker_fee_bps = '2'",
        "[venues.p]\nkind = 'paper'\nseed = true",
        "[venues.p]\nkind = 'paper'\nlatency_ms = 9000000000000000000",
        f"venues = {DEEP}",
        f"refresh_hz = {LONG}",
    ],
)
def test_the_settings_file_takes_each_value_as_what_it_is(tmp_path, monkeypatch, text):
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("FIRSTWATCH_CONFIG", str(path))
    with pytest.raises(WrongUseError, match=r"config\.toml"):
        load_settings()


def test_the_environment_has_only_texts(tmp_path, monkeypatch):
    monkeypatch.setenv("FIRSTWATCH_HOME", str(tmp_path))
    monkeypatch.setenv("FIRSTWATCH_REFRESH_HZ", "2")
    monkeypatch.setenv("FIRSTWATCH_VENUES__P__KIND", "paper")
    monkeypatch.setenv("FIRSTWATCH_VENUES__P__SPEED", "60")
    monkeypatch.setenv("FIRSTWATCH_VENUES__P__FEE_BPS", "1.5")
    settings = load_settings()
    assert (settings.refresh_hz, settings.venues["p"].speed, str(settings.venues["p"].fee_bps)) == (
        2,
        60,
        "1.5",
    )
    monkeypatch.setenv("FIRSTWATCH_VENUES", "[" * 100_000)
    with pytest.raises(WrongUseError, match="environment"):
        load_settings()


@given(st.text(max_size=200))
def test_any_text_is_tables_or_a_sentence(text):
    try:
        found = parse_toml(text, "it")
    except WrongUseError:
        return
    assert isinstance(found, dict)
