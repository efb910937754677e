"""The core's notes as sentences: a live run journals each, a backtest counts them."""

from firstwatch.strategy import core_state as codes
from firstwatch.strategy.core_state import CoreSettings, CoreState
from firstwatch.trading.market import Market
from firstwatch.trading.notes import NoteCode
from firstwatch.trading.text import counted

_CODES = {
    codes.NOTE_BELOW_MINIMUM: NoteCode.BELOW_MINIMUM,
    codes.NOTE_EQUITY_GONE: NoteCode.EQUITY_GONE,
    codes.NOTE_SIZE_CAPPED: NoteCode.SIZE_CAPPED,
    codes.NOTE_RISK_CAPPED: NoteCode.RISK_CAPPED,
    codes.NOTE_LEVEL_DROPPED: NoteCode.LEVEL_DROPPED,
    codes.NOTE_GUARD_PAUSE: NoteCode.GUARD_PAUSE,
    codes.NOTE_GUARD_STOP: NoteCode.GUARD_STOP,
    codes.NOTE_CHAIN_STOP: NoteCode.CHAIN_STOP,
    codes.NOTE_SLICE_CUT: NoteCode.SLICE_CUT,
}
NOTES = tuple(_CODES.values())
"""The core's notes in the order of their bits."""


def take_notes(state: CoreState) -> list[NoteCode]:
    """Return the core's notes since the last call, and clear them."""
    bits, state.notes = state.notes, 0
    return [code for bit, code in _CODES.items() if bits & bit]


def refusal_sentence(code: NoteCode, market: Market) -> str:
    """Return why an entry was refused."""
    if code is NoteCode.EQUITY_GONE:
        return "the run equity is used up"
    least = [f"{market.minimum_cost:f} {market.quote}"] if market.minimum_cost else []
    least += [f"{market.minimum_amount:f} {market.base}"] if market.minimum_amount else []
    return f"below the minimum of {' and '.join(least) or f'{market.amount_step:f} {market.base}'}"


def cap_sentence(settings: CoreSettings, asked: float, granted: float) -> str:
    """Return how equity and leverage reduced a size; ``asked`` and ``granted`` are sizing values."""
    if settings.sizing_kind == codes.SIZE_FIXED:
        return f"a margin of {asked:,.2f} became {granted:,.2f}, what the equity allows"
    if settings.sizing_kind == codes.SIZE_RISK:
        allowed = f"what leverage {settings.leverage:g} allows"
        return f"a risk of {_percent(asked)} became {_percent(granted)}, {allowed}"
    kept = "the rest is kept for fees and the way to the fill"
    return f"a margin of {_percent(asked)} of the equity became {_percent(granted)}, {kept}"


def guard_sentence(bit: int, settings: CoreSettings) -> str:
    """Return the guard that acted, and its limit; ``bit``: one of ``entries_paused_by_guard``."""
    if bit == codes.DRAWDOWN_BIT:
        return f"the drawdown has reached the guard's limit of {_percent(settings.drawdown_limit)}"
    if bit == codes.DAILY_LOSS_BIT:
        return f"the loss of the day has reached the guard's limit of {_percent(settings.daily_loss_limit)}"
    lost = counted(settings.losing_trades_limit, "trade has", "trades in a row have")
    return f"{lost} lost, the guard's limit"


def guard_bits(bits: int) -> tuple[int, ...]:
    """Return the guards in a set of bits, one by one."""
    return tuple(
        bit for bit in (codes.DRAWDOWN_BIT, codes.DAILY_LOSS_BIT, codes.LOSING_TRADES_BIT) if bits & bit
    )


LEVEL_DROPPED = "a stop or target that would lie beyond zero was dropped: the position stands without it"
SLICE_CUT = "a slice of an entry was reduced to what the equity beside the position allows"
CHAIN_EXHAUSTED = "the follow-up chain is exhausted"


def _percent(fraction: float) -> str:
    return f"{fraction * 100:.3g} %"
