"""The draft of a launch: the fields of the form, and what is written in them, as text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from firstwatch.manager.views import AlgorithmView, ManagerSnapshot
from firstwatch.trading.launch import (
    GuardAction,
    LaunchSettings,
    OnDiverged,
    OnExhausted,
    ResetMode,
    SessionPolicy,
)
from firstwatch.trading.runs import StopMode
from firstwatch.tui.launch_form import parse

VERSIONS_OWN = "version's own"
YES, NO = "on", "off"


@dataclass(frozen=True, slots=True)
class LaunchDraft:
    """The texts in the fields."""

    algorithm: str = ""
    """``name@version``"""
    wallet: str = ""
    symbol: str = ""
    capital: str = ""
    leverage: str = "1"
    trades_limit: str = ""
    assume_position_now: str = NO
    close_position_on_exit: str = YES
    without_stop_reason: str = ""
    session_policy: str = SessionPolicy.OFF.value
    session_windows: str = ""
    session_timezone: str = "UTC"
    session_trading: str = "inside"
    session_lead: str = "0"
    reset_mode: str = VERSIONS_OWN
    cooldown_bars: str = "0"
    on_exhausted: str = OnExhausted.RESET.value
    follow_up: str = ""
    drawdown: str = ""
    drawdown_action: str = GuardAction.STOP.value
    daily_loss: str = ""
    daily_loss_action: str = GuardAction.PAUSE.value
    losing_trades: str = ""
    losing_trades_action: str = GuardAction.PAUSE.value
    guard_stop_mode: str = StopMode.CLOSE.value
    on_diverged: str = OnDiverged.NOTHING.value
    accepted_warnings: str = ""
    parent_run_id: str = ""

    def with_value(self, field: str, value: str) -> "LaunchDraft":
        """Return the draft with one field changed."""
        changes: dict[str, Any] = {field: value}
        return replace(self, **changes)

    def value(self, field: str) -> str:
        """Return the text in the field."""
        return str(getattr(self, field))


Options = Callable[[LaunchDraft, ManagerSnapshot], tuple[str, ...]]
Shown = Callable[[LaunchDraft], bool]


@dataclass(frozen=True, slots=True)
class FormField:
    """One line of the form. With ``options`` it is a choice, else a text."""

    id: str
    label: str
    hint: str
    options: Options | None = None
    is_free: bool = False
    """A choice that also takes a text of the operator's own."""
    shown: Shown = lambda _draft: True

    @property
    def is_choice(self) -> bool:
        """Whether the value is one of the options."""
        return self.options is not None and not self.is_free

    def choices(self, draft: LaunchDraft, snapshot: ManagerSnapshot) -> tuple[str, ...]:
        """Return the options now; none for a text."""
        return () if self.options is None else self.options(draft, snapshot)


def _of(*values: str) -> Options:
    return lambda _draft, _snapshot: values


def _algorithms(_draft: LaunchDraft, snapshot: ManagerSnapshot) -> tuple[str, ...]:
    return tuple(f"{each.name}@{each.version}" for each in snapshot.algorithms)


def _wallets(_draft: LaunchDraft, snapshot: ManagerSnapshot) -> tuple[str, ...]:
    return tuple(wallet.name for wallet in snapshot.wallets)


def _symbols(draft: LaunchDraft, snapshot: ManagerSnapshot) -> tuple[str, ...]:
    algorithm = chosen_algorithm(draft, snapshot)
    return (algorithm.symbol,) if algorithm and algorithm.symbol else snapshot.symbols


def has_session(draft: LaunchDraft) -> bool:
    """Whether the calendar pauses the run."""
    return draft.session_policy != SessionPolicy.OFF


def has_reset(draft: LaunchDraft) -> bool:
    """Whether the draft overrides what the version does after a trade."""
    return draft.reset_mode != VERSIONS_OWN


def _has_guard(draft: LaunchDraft) -> bool:
    pairs = (
        (draft.drawdown, draft.drawdown_action),
        (draft.daily_loss, draft.daily_loss_action),
        (draft.losing_trades, draft.losing_trades_action),
    )
    return any(limit.strip() and action == GuardAction.STOP for limit, action in pairs)


def _filled(field: str) -> Shown:
    return lambda draft: bool(draft.value(field).strip())


_ACTIONS = _of(*GuardAction)

FIELDS: tuple[FormField, ...] = (
    FormField("algorithm", "Algorithm", "a stored version", _algorithms),
    FormField("wallet", "Run wallet", "holds one active run at most", _wallets),
    FormField("symbol", "Symbol", "like BTC/USDC:USDC", _symbols, is_free=True),
    FormField("capital", "Capital", "quote; where run equity starts"),
    FormField("leverage", "Leverage", "1 to the market's maximum"),
    FormField("trades_limit", "Trades limit", "empty: none; counts entries"),
    FormField("assume_position_now", "Assume position now", "adopt or enter at once", _of(NO, YES)),
    FormField(
        "close_position_on_exit", "Close position on exit", "off: an exit only alerts", _of(YES, NO)
    ),
    FormField(
        "without_stop_reason", "Why without a stop", "needed when the algorithm has no stop",
        shown=lambda draft: draft.close_position_on_exit == NO,
    ),
    FormField("session_policy", "Session policy", "when the calendar pauses", _of(*SessionPolicy)),
    FormField(
        "session_windows", "Windows", "mon-fri 09:30-16:00; sat 10:00-12:00", shown=has_session
    ),
    FormField("session_timezone", "Time zone", "like America/New_York", shown=has_session),
    FormField(
        "session_trading", "Trade", "inside or outside of the windows", _of("inside", "outside"),
        shown=has_session,
    ),
    FormField("session_lead", "Lead minutes", "before each pause", shown=has_session),
    FormField("reset_mode", "Reset", "overrides the version's", _of(VERSIONS_OWN, *ResetMode)),
    FormField("cooldown_bars", "Cooldown bars", "bars without decision", shown=has_reset),
    FormField("on_exhausted", "Chain exhausted", "then", _of(*OnExhausted), shown=has_reset),
    FormField(
        "follow_up", "Follow-up chain", "stop_loss same 5-20 signal x0.5; …", shown=has_reset
    ),
    FormField("drawdown", "Max drawdown %", "of the peak of run equity"),
    FormField("drawdown_action", "… then", "", _ACTIONS, shown=_filled("drawdown")),
    FormField("daily_loss", "Max daily loss %", "of the day's first run equity"),
    FormField("daily_loss_action", "… then", "", _ACTIONS, shown=_filled("daily_loss")),
    FormField("losing_trades", "Losing trades", "in a row"),
    FormField(
        "losing_trades_action", "… then", "", _ACTIONS, shown=_filled("losing_trades")
    ),
    FormField("guard_stop_mode", "Guard stop mode", "", _of(*StopMode), shown=_has_guard),
    FormField("on_diverged", "If it diverges", "beside the alarm of the first watch", _of(*OnDiverged)),
    FormField("accepted_warnings", "Reason for warnings", "written to the journal"),
)  # fmt: skip

FIELD_BY_ID: Mapping[str, FormField] = {field.id: field for field in FIELDS}


def chosen_algorithm(draft: LaunchDraft, snapshot: ManagerSnapshot) -> AlgorithmView | None:
    """Return the stored version that the draft names."""
    return next(
        (each for each in snapshot.algorithms if f"{each.name}@{each.version}" == draft.algorithm), None
    )


def draft_of(settings: LaunchSettings, *, parent_run_id: str | None) -> LaunchDraft:
    """Return the draft that launches the same again, as a child of that run."""
    session, reset, guards = settings.session, settings.reset, settings.guards
    draft = LaunchDraft(
        algorithm=f"{settings.algorithm}@{settings.version}",
        wallet=settings.wallet,
        symbol=settings.symbol,
        capital=f"{settings.capital:f}",
        leverage=f"{settings.leverage:f}",
        trades_limit=parse.count_text(settings.trades_limit),
        assume_position_now=YES if settings.assume_position_now else NO,
        close_position_on_exit=YES if settings.close_position_on_exit else NO,
        without_stop_reason=settings.without_stop_reason or "",
        session_policy=session.policy.value,
        session_windows="; ".join(parse.window_text(window) for window in session.windows),
        session_timezone=session.timezone,
        session_trading=session.trading,
        session_lead=str(session.lead_minutes),
        drawdown=parse.percent_text(guards.drawdown),
        drawdown_action=guards.drawdown_action.value,
        daily_loss=parse.percent_text(guards.daily_loss),
        daily_loss_action=guards.daily_loss_action.value,
        losing_trades=parse.count_text(guards.losing_trades),
        losing_trades_action=guards.losing_trades_action.value,
        guard_stop_mode=guards.stop_mode.value,
        on_diverged=settings.on_diverged.value,
        accepted_warnings=settings.accepted_warnings or "",
        parent_run_id=parent_run_id or "",
    )
    if reset is None:
        return draft
    return replace(
        draft,
        reset_mode=reset.mode.value,
        cooldown_bars=str(reset.cooldown_bars),
        on_exhausted=reset.on_exhausted.value,
        follow_up="; ".join(parse.link_text(link) for link in reset.follow_up),
    )
