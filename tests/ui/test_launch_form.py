"""The launch form's rules, without a screen."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlgorithmView, CommandView, EngineView, EngineWhere, WalletView
from firstwatch.trading.commands import CommandOutcome
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import (
    CheckResult,
    FollowUp,
    FollowUpSide,
    GuardAction,
    Guards,
    LaunchPreview,
    LaunchSettings,
    OnDiverged,
    OnExhausted,
    ResetMode,
    ResetSettings,
    SessionPolicy,
    SessionSettings,
    SessionWindow,
    Weekday,
)
from firstwatch.trading.runs import ExitReason, Exposure, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.tui.formats import read_decimal
from firstwatch.tui.keymap import make_keymap
from firstwatch.tui.launch_form.assessment import Readiness, assess, next_step
from firstwatch.tui.launch_form.draft import FIELDS, LaunchDraft, draft_of
from firstwatch.tui.launch_form.parse import problem
from firstwatch.tui.launch_form.toml_form import launch_toml, read_launch_toml

ALGORITHM = AlgorithmView("alpha", 3, "f" * 64, Timeframe.H1, "long", None, has_stop=False, baseline="")
WALLET = WalletView(
    "demo", "paper", "paper", "demo", Decimal(900), Decimal(0), Decimal(900), 0, None, Exposure.FLAT
)
SNAPSHOT = ManagerSnapshot(
    1, 0, True, EngineView(EngineWhere.EMBEDDED), wallets=(WALLET,), algorithms=(ALGORITHM,)
)
FILLED = LaunchDraft(algorithm="alpha@3", wallet="demo", symbol="BTC/USDC:USDC", capital="500")

GARBAGE = (
    "abc", "-1", "0", "1e99", "nan", "inf", "1.5.2", "--", "9" * 80, "½", "٣", "\x1b[2J", "'; drop", "1,5",
    "mon-fri", "mon 25:00-26:00", "mon-xyz 09:00-10:00", ";;", "mon 9-17", "mon 09:00-24:01",
    "signal same 9-5", ", same 1-2", "stop_loss same 0-0", "stop_loss same 1-5 x9", "never same 1-2",
    "stop_loss same 1-5 xnan", "stop_loss same 0-" + "9" * 20, "Mars/Olympus", "../../etc/passwd", "UTC\0",
)  # fmt: skip

windows = st.builds(
    SessionWindow,
    days=st.lists(st.sampled_from(Weekday), min_size=1, unique=True).map(tuple),
    start=st.sampled_from(["00:00", "09:30", "23:59"]),
    end=st.sampled_from(["16:00", "24:00", "09:30"]),
)
sessions = st.one_of(
    st.just(SessionSettings()),
    st.builds(
        SessionSettings,
        policy=st.sampled_from([SessionPolicy.PAUSE_ENTRIES, SessionPolicy.FLATTEN]),
        timezone=st.sampled_from(["UTC", "America/New_York"]),
        windows=st.lists(windows, min_size=1, max_size=3).map(tuple),
        trading=st.sampled_from(["inside", "outside"]),
        lead_minutes=st.integers(0, 600),
    ),
)
links = st.builds(
    FollowUp,
    after=st.lists(st.sampled_from(ExitReason), min_size=1, max_size=3, unique=True).map(tuple),
    side=st.sampled_from(FollowUpSide),
    wait_bars=st.integers(0, 9),
    within_bars=st.integers(10, 99),
    require_signal=st.booleans(),
    size_factor=st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0]),
)
resets = st.none() | st.builds(
    ResetSettings,
    mode=st.sampled_from(ResetMode),
    cooldown_bars=st.integers(0, 50),
    on_exhausted=st.sampled_from(OnExhausted),
    follow_up=st.lists(links, max_size=3).map(tuple),
)
fractions = st.none() | st.sampled_from([0.01, 0.055, 0.2, 0.333])
guards = st.builds(
    Guards,
    drawdown=fractions,
    drawdown_action=st.sampled_from(GuardAction),
    daily_loss=fractions,
    daily_loss_action=st.sampled_from(GuardAction),
    losing_trades=st.none() | st.integers(1, 20),
    losing_trades_action=st.sampled_from(GuardAction),
    stop_mode=st.sampled_from(StopMode),
)


def test_a_comma_marks_thousands_and_nothing_else():
    assert [read_decimal(text) for text in ("1,500", "-12,000.5", "1,234,567")] == [
        1500, Decimal("-12000.5"), 1234567,
    ]  # fmt: skip
    for text in ("1,5", "1,50", "15,00", "1,5000", "1,234.5,6", ",500", "1,,500"):
        # Half the world writes 1.5 so; it must never be 15.
        with pytest.raises(ValueError, match=r"not a number: .*; write 1\.5, and 1,500 or 1500"):
            read_decimal(text)


@given(
    session=sessions,
    reset=resets,
    guards=guards,
    capital=st.decimals("0.01", "900", places=2),
    trades_limit=st.none() | st.integers(1, 99),
    assume=st.booleans(),
    on_diverged=st.sampled_from(OnDiverged),
)
def test_every_launch_setting_survives_the_form(
    session, reset, guards, capital, trades_limit, assume, on_diverged
):
    settings = LaunchSettings(
        algorithm="alpha", version=3, wallet="demo", symbol="BTC/USDC:USDC", capital=capital,
        trades_limit=trades_limit, assume_position_now=assume, session=session, reset=reset, guards=guards,
        parent_run_id="0" * 16, on_diverged=on_diverged,
    )  # fmt: skip
    assessed = assess(draft_of(settings, parent_run_id="0" * 16), SNAPSHOT)
    assert not assessed.errors
    assert assessed.settings == settings


@given(session=sessions, reset=resets, guards=guards, capital=st.decimals("0.01", "900", places=2))
def test_a_launch_is_the_same_after_its_toml(session, reset, guards, capital):
    settings = LaunchSettings(
        algorithm="alpha", version=3, wallet="demo", symbol="BTC/USDC:USDC", capital=capital,
        session=session, reset=reset, guards=guards,
    )  # fmt: skip
    assert read_launch_toml(launch_toml(settings)) == settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("capital =", "The text"),
        ("capital = 1\nlevrage = 2", "did you mean leverage?"),
        ("capital = 'x'", "capital"),
        ("[session]\npolicy = 'sometimes'", "session.policy"),
    ],
)
def test_a_toml_that_is_wrong_is_refused_with_the_place(text, said):
    with pytest.raises(WrongUseError, match=re.escape(said)):
        read_launch_toml(text)


@given(
    field=st.sampled_from([field.id for field in FIELDS if field.options is None]),
    text=st.text(max_size=30),
)
def test_no_text_breaks_the_form(field, text):
    draft = FILLED.with_value("session_policy", "pause_entries").with_value("reset_mode", "strict")
    assessed = assess(draft.with_value(field, text), SNAPSHOT)
    assert (assessed.settings is None) == bool(assessed.errors)
    for sentence in assessed.errors.values():
        assert_plain(sentence)


@given(field=st.sampled_from(FIELDS), text=st.text(max_size=30))
def test_every_refusal_is_a_short_plain_sentence(field, text):
    assert_plain(problem(field.read, text))
    assert field.worded(text) is not None
    assert_plain(field.note)


def test_garbage_of_all_kinds_is_refused_in_a_short_plain_sentence():
    for field in FIELDS:
        for text in GARBAGE:
            assert_plain(problem(field.read, text))


def assert_plain(sentence):
    """No repr, no text of a library, one line that fits below the fields."""
    assert "\n" not in sentence
    assert len(sentence) < 160
    for foreign in (
        "Error",
        "Input should",
        "String should",
        "pydantic",
        "validation",
        "Decimal(",
        "{'",
        "['",
    ):
        assert foreign not in sentence


def errors_of(**changes):
    draft = FILLED
    for field, value in changes.items():
        draft = draft.with_value(field, value)
    return assess(draft, SNAPSHOT).errors


def test_mistakes_are_named_where_they_are():
    assert "above what demo has free: 900.00" in errors_of(capital="901")["capital"]
    assert errors_of(leverage="0.5")["leverage"] == "must be 1 or more"
    assert "mon-fri" in errors_of(session_policy="flatten", session_windows="weekdays 9-5")["session_windows"]
    assert (
        "time zone"
        in errors_of(
            session_policy="pause_entries", session_windows="mon 09:00-10:00", session_timezone="Mars/Olympus"
        )["session_timezone"]
    )
    assert "no stop" in errors_of(close_position_on_exit="off")["without_stop_reason"]
    assert (
        "above the bars of rest (9)"
        in errors_of(reset_mode="regular", follow_up="signal same 9-5")["follow_up"]
    )
    assert errors_of(capital="abc")["capital"] == "not a number: abc"
    assert errors_of(leverage="1001")["leverage"] == "must be 1,000 or less"
    flattens = errors_of(
        session_policy="flatten", session_windows="mon 09:00-10:00", close_position_on_exit="off",
        without_stop_reason="hedged",
    )  # fmt: skip
    assert "Close on exit" in flattens["session_policy"]
    assert errors_of(drawdown="120")["drawdown"]


def answered(preview):
    return CommandView(7, "preview_launch", None, 0, CommandOutcome.DONE, "", preview, 0)


def step(draft=FILLED, snapshot=SNAPSHOT, check=None, is_current=True):
    keys = make_keymap({})
    return next_step(
        draft, assess(draft, snapshot), snapshot, check, is_current=is_current, key_of=keys.named
    )


def test_the_next_step_goes_from_nothing_to_ready():
    nothing = ManagerSnapshot(1, 0, True, EngineView(EngineWhere.EMBEDDED))
    assert "firstwatch algorithm add" in step(LaunchDraft(), nothing).sentence
    assert step(LaunchDraft()).sentence == "Algorithm: choose an algorithm"
    assert step(LaunchDraft()).field == "algorithm"
    assert step(FILLED.with_value("capital", "")).sentence == "Capital: write an amount"
    assert step().readiness is Readiness.WAITING
    hard = CheckResult(name="funded", is_hard=True, passed=False, found="900 of 950", remedy="fund demo")
    soft = CheckResult(name="sharpe", is_hard=False, passed=False, found="0.4")
    assert step(check=answered(LaunchPreview(checks=(hard, soft)))).sentence == "funded: fund demo"
    approvals = hard.model_copy(update={"name": "approvals", "remedy": "approve an API wallet"})
    named = step(check=answered(LaunchPreview(checks=(approvals,))))
    assert named.sentence == "approvals: approve an API wallet (Enter on the check: give it here)"
    assert named.check == "approvals"
    unknown = CheckResult(
        name="symbol", is_hard=True, passed=False, found="not checked: x", remedy="see others"
    )
    assert step(check=answered(LaunchPreview(checks=(unknown, hard)))).sentence == "funded: fund demo"
    warned = step(check=answered(LaunchPreview(checks=(soft,))))
    assert warned.needs_reason
    assert "sharpe" in warned.sentence
    accepted = FILLED.with_value("accepted_warnings", "paper")
    assert step(accepted, check=answered(LaunchPreview(checks=(soft,)))).readiness is Readiness.READY
    assert step(check=answered(LaunchPreview(checks=())), is_current=False).readiness is Readiness.WAITING
    silent = ManagerSnapshot(
        1,
        0,
        True,
        EngineView(EngineWhere.NONE, sentence="none runs"),
        wallets=(WALLET,),
        algorithms=(ALGORITHM,),
    )
    assert "none runs" in step(snapshot=silent).sentence


def test_the_hours_of_an_exchange_are_named_by_its_code_and_kept_by_a_child():
    draft = FILLED.with_value("session_policy", "pause_entries").with_value("session_calendar", "XNYS")
    found = assess(draft, SNAPSHOT)
    assert found.errors == {}
    assert (found.settings.session.calendar, found.settings.session.windows) == ("XNYS", ())
    again = draft_of(found.settings, parent_run_id=None)
    assert assess(again, SNAPSHOT).settings.session == found.settings.session
    assert "like XNYS" in errors_of(session_policy="flatten", session_calendar="New York")["session_calendar"]
    assert "add a window" in errors_of(session_policy="flatten")["session_windows"]
    shown = [field.id for field in FIELDS if field.shown(draft) and field.id.startswith("session")]
    assert shown == ["session_policy", "session_calendar", "session_trading", "session_lead"]
