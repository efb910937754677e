"""The bars that runs have handled. A row holds a block of a run's bars, packed: as many as fill a page.

For fifty runs on 1-minute bars, a row per bar would take 7 MB a day or more; a block takes about 30 bytes per
bar. Also stored: the bars that warmed up a run's indicators at launch, one row per timeframe, and how far its
bars were reread.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import isfinite
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, select

from firstwatch.store.database import Session
from firstwatch.store.packing import pack, unpack
from firstwatch.store.prepared import Prepared
from firstwatch.store.rows import row
from firstwatch.store.tables import RunBarTable, RunRereadTable, RunWarmUpTable, table_of, upsert
from firstwatch.trading.bar import Bar, Decided
from firstwatch.trading.timeframe import Timeframe

FULL_BYTES = 800
"""A block of at least this many packed bytes is full: with one more bar it still fits a 1,024-byte page."""

_BAR = table_of(RunBarTable)
_WARM_UP = table_of(RunWarmUpTable)
_REREAD = table_of(RunRereadTable)
_SAVE = Prepared(upsert(_BAR))
_NEWEST_FIRST = (
    select(_BAR.c.first_ms, _BAR.c.bars)
    .where(_BAR.c.run_id == bindparam("run"))
    .order_by(_BAR.c.first_ms.desc())
)
_SAVE_WARM_UP = upsert(_WARM_UP)
_WARM_UP_OF = select(_WARM_UP.c.timeframe, _WARM_UP.c.bars).where(_WARM_UP.c.run_id == bindparam("run"))
_FIRST = select(func.min(_BAR.c.first_ms)).where(_BAR.c.run_id == bindparam("run"))
_REREAD_UNTIL = select(_REREAD.c.until_ms).where(_REREAD.c.run_id == bindparam("run"))
_SAVE_REREAD = upsert(_REREAD)
_DROP_FROM = delete(_BAR).where(_BAR.c.run_id == bindparam("run"), _BAR.c.first_ms >= bindparam("from"))


class RunBar(NamedTuple):
    """A bar as a run handled it, and the range of the mark in it, where the venue sent one."""

    bar: Bar
    mark_high: float | None = None
    mark_low: float | None = None
    sequence: int | None = None
    """The last journal entry before the decisions at its close; None: written by an earlier version."""
    decided: Decided = Decided.NO


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive bars of a run in one row. The writer keeps the last block, to append to it."""

    first_ms: int
    last_ms: int
    text: str
    """The bars as JSON, without the outer brackets."""
    packed: bytes


def add_bar(session: Session, run_id: str, fresh: RunBar, last: Block | None) -> Block:
    """Save the next bar of a run and return the block that holds it.

    ``last``: the block that the call before returned; None: it is read from the store. A bar that is not
    later than the last one replaces the bar of its time and all later ones: the venue has shown that they
    were wrong.
    """
    if last is None:
        last = _last_block(session, run_id)
    if last is not None and fresh.bar.time_ms <= last.last_ms:
        last = _cut(session, run_id, fresh.bar.time_ms)
    elif last is not None and len(last.packed) >= FULL_BYTES:
        last = None
    block = _grown(last, fresh)
    _SAVE.execute(session, {"run_id": run_id, "first_ms": block.first_ms, "bars": block.packed})
    return block


def bars_of(
    session: Session, run_id: str, *, after_ms: int | None = None, limit: int | None = None
) -> list[RunBar]:
    """Return a run's bars, oldest first: those that opened after ``after_ms``, the last ``limit`` of them.

    Raises:
        DamagedRowError: they cannot be read.
    """
    found: list[RunBar] = []
    for block in blocks_of(session, run_id, after_ms=after_ms, limit=limit):
        found[:0] = block
    return found


def blocks_of(
    session: Session, run_id: str, *, after_ms: int | None = None, limit: int | None = None
) -> Iterator[Sequence[RunBar]]:
    """Yield the bars of ``bars_of`` in parts, each oldest first, the newest part first.

    Raises:
        DamagedRowError: they cannot be read.
    """
    for block in _blocks(session, run_id):
        wanted = [each for each in block if after_ms is None or each.bar.time_ms > after_ms]
        if limit is not None:
            wanted = wanted[max(0, len(wanted) - limit) :]
            limit -= len(wanted)
        if wanted:
            yield wanted
        if limit == 0 or len(wanted) < len(block):
            return


def _grown(block: Block | None, fresh: RunBar) -> Block:
    time_ms = fresh.bar.time_ms
    first_ms = time_ms if block is None else block.first_ms
    values = (
        *(time_ms - first_ms, *fresh.bar[1:]),
        *(fresh.mark_high, fresh.mark_low, fresh.sequence, int(fresh.decided)),
    )
    text = json.dumps(values, separators=(",", ":"))
    if block is not None:
        text = f"{block.text},{text}"
    return Block(first_ms, time_ms, text, pack(f"[{text}]".encode()))


def _last_block(session: Session, run_id: str) -> Block | None:
    return reduce(_grown, next(_blocks(session, run_id), ()), None)


def _cut(session: Session, run_id: str, time_ms: int) -> Block | None:
    """Drop the bars from that time on; return the last block with the bars before it."""
    session.execute(_DROP_FROM, {"run": run_id, "from": time_ms})
    kept = (each for each in next(_blocks(session, run_id), ()) if each.bar.time_ms < time_ms)
    return reduce(_grown, kept, None)


def _blocks(session: Session, run_id: str) -> Iterator[Sequence[RunBar]]:
    """Yield the bars of each of the run's blocks, the newest block first."""
    with session.execute(_NEWEST_FIRST, {"run": run_id}) as rows:
        for first_ms, packed in rows:
            with row(f"the bars of run {run_id}"):
                bars = [_run_bar(first_ms, values) for values in json.loads(unpack(packed))]
                if not bars:
                    raise ValueError("a block of them is empty")
            yield bars


def _run_bar(first_ms: int, values: Sequence[Any]) -> RunBar:
    # Earlier versions wrote neither the journal's sequence nor the decision.
    since_first_ms, open_, high, low, close, volume, mark_high, mark_low, *place = values
    sequence, decided = place or (None, Decided.NO)
    bar = Bar(first_ms + since_first_ms, open_, high, low, close, volume)
    if not all(map(isfinite, (*bar, mark_high or 0.0, mark_low or 0.0, sequence or 0))):
        raise ValueError("not all of them are finite numbers")
    return RunBar(bar, mark_high, mark_low, sequence, Decided(decided))


def save_warm_up(session: Session, run_id: str, warm_up: Mapping[Timeframe, Sequence[Bar]]) -> None:
    """Save the closed bars with which a run's indicators were warmed up, per timeframe."""
    for timeframe, bars in warm_up.items():
        columns = list(zip(*bars, strict=True))
        packed = pack(json.dumps(columns, separators=(",", ":")).encode())
        session.execute(_SAVE_WARM_UP, {"run_id": run_id, "timeframe": timeframe.value, "bars": packed})


def warm_up_of(session: Session, run_id: str) -> dict[Timeframe, list[Bar]]:
    """Return the bars that ``save_warm_up`` saved; empty: an earlier version launched the run.

    Raises:
        DamagedRowError: they cannot be read.
    """
    with row(f"the bars before run {run_id}"):
        found: dict[Timeframe, list[Bar]] = {}
        for timeframe, packed in session.execute(_WARM_UP_OF, {"run": run_id}):
            columns = json.loads(unpack(packed))
            bars = [Bar(*values) for values in zip(*columns, strict=True)]
            if not all(isfinite(value) for bar in bars for value in bar):
                raise ValueError("not all of them are finite numbers")
            found[Timeframe(timeframe)] = bars
        return found


def reread_until(session: Session, run_id: str) -> int | None:
    """Return the open time of a run's first bar that was not reread yet; None: it has no bar."""
    until_ms: int | None = session.execute(_REREAD_UNTIL, {"run": run_id}).scalar()
    return session.execute(_FIRST, {"run": run_id}).scalar() if until_ms is None else until_ms


def save_reread(session: Session, until_ms: Mapping[str, int]) -> None:
    """Save the open time before which bars were reread, by run."""
    if until_ms:
        session.execute(_SAVE_REREAD, [{"run_id": run, "until_ms": until} for run, until in until_ms.items()])
