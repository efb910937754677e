"""One run under watch: its state between looks, and the report of each of its days.

All of that state can be read from the store again: after a restart a watch catches up. The file is long
because each report is made from all of it.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from firstwatch.backtest.metrics import daily_returns
from firstwatch.settings import Settings
from firstwatch.store import algorithms, fills, orders, positions, runs, wallets, watch
from firstwatch.store.database import Session
from firstwatch.store.journal import JournalEntry
from firstwatch.store.rows import row
from firstwatch.store.watch import TimeLost
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.account import Funding
from firstwatch.trading.clock import iso
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.events import (
    EntriesPaused,
    EntriesResumed,
    FillBooked,
    FundingBooked,
    Recovered,
    Transitioned,
)
from firstwatch.trading.launch import OnDiverged
from firstwatch.trading.runs import RunState
from firstwatch.trading.trade import Trade
from firstwatch.trading.verdicts import DAY_MS, CheckName, MismatchCause, Verdict
from firstwatch.trading.watch import LimitGap, Locked, Mismatch, SinceStart, WatchReport
from firstwatch.venues.registry import is_paper
from firstwatch.watch.calibrator import Calibrator, Derived
from firstwatch.watch.costs import CostsJudged, judge_costs
from firstwatch.watch.day import (
    LiveDay,
    RunRecord,
    days_so_far,
    downs_of,
    live_day,
    pauses_of,
    watch_begin_ms,
)
from firstwatch.watch.edge import EdgeJudged, judge_edge
from firstwatch.watch.fill_prices import FillsJudged, fill_costs, judge_fills
from firstwatch.watch.follow import RunFollower, follow
from firstwatch.watch.joint import JOINT_CHECKS, Tables
from firstwatch.watch.locking import recipe_of_day, watched_baseline, why_no_recipe, windows_of
from firstwatch.watch.promise import Promise, read_promise
from firstwatch.watch.recipe import Recipe, make_day_tables
from firstwatch.watch.record import LiveRecord, read_record
from firstwatch.watch.report import Evidence, Joint, report_of
from firstwatch.watch.since_start import judge_days
from firstwatch.watch.windows import Carried, Lost

NO_BASELINE = "There is no baseline to compare with."
Mode = Literal["paper", "testnet", "live"]
_READ_AGAIN_MS = 2 * 3_600_000
"""Within this time of its close a bar is read again."""
_KINDS = (EntriesPaused, EntriesResumed, Recovered)


@dataclass(frozen=True, slots=True)
class Looked:
    """The result of a look, to be written in one transaction."""

    run_id: str
    made_ms: int = 0
    """Wall time that its reports carry (ms since the epoch).

    Before the run's end while more is to be read or tables are computed: a watch killed then goes on there.
    """
    reports: tuple[WatchReport, ...] = ()
    diverged: WatchReport | None = None
    """Today's report, if it has diverged since the last look."""
    together: SinceStart | None = None
    """All days together, if they have diverged since the last look."""
    begins_day: bool = False
    """Today is a new day, and not the first."""
    pauses_entries: bool = False
    """The launch says that entries pause now."""
    recipes: tuple[Recipe, ...] = ()
    lost: tuple[TimeLost, ...] = ()
    tables: Mapping[int, bytes] = field(default_factory=dict)
    """Packed, by day; empty bytes: there are none."""
    shadow_json: str | None = None
    """The state from which the shadow goes on."""


@dataclass(frozen=True, slots=True, eq=False)
class Static:
    """Everything about a run that never changes."""

    run: runs.Run
    spec: AlgorithmSpec
    mode: Mode
    recipe: Recipe | None
    """Recipe of the first day, locked at the launch."""
    promise: Promise | None
    no_joint: str
    """Why there is no recipe; empty: there is."""

    @property
    def took_over(self) -> bool:
        """It may have begun with a position."""
        return self.run.settings.assume_position_now

    @property
    def spread_bps(self) -> float:
        """Bid to ask, where no touch is known."""
        return 0.0 if self.promise is None else float(self.promise.costs.spread_bps)


@dataclass(slots=True, eq=False)
class Day:
    """The watch's state of one day: its recipe, tables and report."""

    number: int
    recipe: Recipe | None = None
    locked: Locked | None = None
    is_locked: bool = True
    """The recipe is stored; that of a new day is stored by the next look."""
    tables: Tables | None = None
    derived_with: tuple[Lost, ...] = ()
    """The time lost with which the tables were derived, or are now."""
    is_asked: bool = False
    """Tables are being derived."""
    problem: str = ""
    """Why there are no tables."""
    decisions_before: int = 0
    """Decisions that were compared before this day."""
    report: WatchReport | None = None
    made_of: tuple[object, ...] = ()
    """The report's inputs: while they are equal, it is not made again."""
    is_finished: bool = False


class RunWatch:
    """Reads one run, and makes the report of each of its days that is not finished. Used by one thread."""

    def __init__(self, run_id: str, home: Path, settings: Settings, calibrator: Calibrator) -> None:
        self.run_id = run_id
        self.has_more = False
        """More is stored than one reading takes in."""
        self.has_ended = False
        """The run is over, and all of it was read."""
        self._home = home
        self._settings = settings
        self._calibrator = calibrator
        self._static: Static | None = None
        self._follower: RunFollower | None = None
        self._no_parity = ""
        """Why signals are not compared."""
        self._launched_ms: int | None = None
        self._last_bar_ms = 0
        self._bar_ms = np.empty(0, dtype=np.int64)
        self._equity = np.empty(0)
        self._trades: list[Trade] = []
        self._events: list[JournalEntry] = []
        """The journal entries of ``_KINDS``."""
        self._sequence = 0
        self._is_paused = False
        self._ended_ms: int | None = None
        self._record: RunRecord | None = None
        self._fresh_lost: list[TimeLost] = []
        self._fills = DayFills()
        self._days: dict[int, Day] = {}
        self._stored: dict[int, WatchReport] = {}
        """The last report of each day."""
        self._tables: dict[int, bytes] = {}
        """Derived since the last look."""

    @property
    def awaits_tables(self) -> bool:
        """Tables of a day are being derived, or were and are not written yet."""
        return bool(self._tables) or any(day.is_asked for day in self._days.values())

    # --- reading -----------------------------------------------------------------------------------

    def read(self, session: Session) -> None:
        """Take in what is new of the run: one day of it at most.

        Raises:
            DamagedRowError: a row cannot be read.
            WrongUseError: there is no such run.
        """
        run = runs.get_run(session, self.run_id)
        self._is_paused, self._ended_ms = run.facts.paused, run.ended_at_ms
        if run.started_at_ms is None:
            # Its first bars are not stored yet, or never will be.
            self.has_ended = run.state.is_final
            return
        if self._static is None:
            self._static = self._begin(session)
        static, follower = self._static, self._follower
        carried, decisions = Carried(), 0
        if follower is not None:
            carried, decisions = Carried.of_state(follower.state.account.core), follower.decisions
        # A reading has all closed trades; those after its last bar are read again with their own bars.
        taken = len(self._trades) if follower is None else follower.state.trades
        del self._trades[taken:]
        record = read_record(
            session,
            self.run_id,
            after_ms=self._last_bar_ms,
            after_sequence=self._sequence,
            after_trade=taken,
            most_bars=DAY_MS // static.spec.timeframe.ms,
        )
        record = self._one_day(record)
        self.has_more, self.has_ended = not record.is_whole, record.has_ended
        self._follow(record)
        self._take(record)
        if self._launched_ms is not None:
            self._record = self._make_record(session, static, self._launched_ms)
            self._begin_days(session, static, self._record, carried, decisions)

    def _begin(self, session: Session) -> Static:
        static = _read_static(session, self.run_id, self._settings)
        self._stored = {report.day: report for report in watch.reports_of(session, self.run_id)}
        last = max(self._stored, default=0)
        try:
            assumed = None if static.promise is None else static.promise.costs
            self._follower = follow(
                session, self.run_id, watch.shadow_of(session, self.run_id, last), assumed
            )
        except WrongUseError as error:
            self._no_parity = str(error)
        if self._follower is not None and self._follower.state.bars:
            state = self._follower.state
            known = read_record(
                session, self.run_id, after_ms=0, after_sequence=0, after_trade=0, most_bars=state.bars
            )
            self._take(replace(known, until=state.sequence, trades=known.trades[: state.trades]))
            if self._launched_ms is not None:
                self._record = self._make_record(session, static, self._launched_ms)
        return static

    def _one_day(self, record: LiveRecord) -> LiveRecord:
        """Cut a reading at the end of a day, so that the state then gives what the next day begins with."""
        begin_ms = None if self._record is None else watch_begin_ms(self._record)
        if begin_ms is None or not record.bars:
            return record
        days = (record.bars[0].bar.time_ms - begin_ms) // DAY_MS
        end_ms = begin_ms + (days + 1) * DAY_MS
        place = next((n for n, each in enumerate(record.bars) if each.bar.time_ms >= end_ms), None)
        if place is None:
            return record
        return replace(
            record,
            bars=record.bars[:place],
            until=record.bars[place].sequence,
            is_whole=False,
            has_ended=False,
        )

    def _follow(self, record: LiveRecord) -> None:
        if self._follower is None:
            return
        try:
            self._follower.advance(record)
        except WrongUseError as error:
            self._follower, self._no_parity = None, str(error)

    def _take(self, record: LiveRecord) -> None:
        equity = record.equity
        if len(self._bar_ms) and int(self._bar_ms[-1]) in equity:
            # The end of a run corrects the equity at its last bar.
            self._equity[-1] = equity[int(self._bar_ms[-1])]
        decided = [each.bar.time_ms for each in record.bars if each.bar.time_ms in equity]
        self._bar_ms = np.append(self._bar_ms, np.array(decided, dtype=np.int64))
        self._equity = np.append(self._equity, [equity[time_ms] for time_ms in decided])
        if record.bars:
            self._last_bar_ms = record.bars[-1].bar.time_ms
        self._trades += record.trades
        for entry in record.events:
            if record.until is not None and entry.sequence > record.until:
                break
            self._sequence = entry.sequence
            match entry.event:
                case Transitioned(new=RunState.RUNNING):
                    self._launched_ms = entry.venue_time_ms
                case FillBooked() | FundingBooked():
                    self._fills.is_stale = True
                case event if isinstance(event, _KINDS):
                    self._events.append(entry)
                case _:
                    pass

    def _make_record(self, session: Session, static: Static, launched_ms: int) -> RunRecord:
        position = positions.position_of(session, self.run_id)
        stored = watch.lost_of(session, self.run_id)
        known = {each.from_ms for each in stored}
        downs = downs_of(self._events, self._bar_ms, static.spec.timeframe)
        self._fresh_lost = [each for each in downs if each.from_ms not in known]
        return RunRecord(
            timeframe=static.spec.timeframe,
            launched_ms=launched_ms,
            took_over=static.run.settings.assume_position_now,
            capital=float(static.run.settings.capital),
            bar_ms=self._bar_ms,
            equity=self._equity,
            trades=self._trades,
            opened_ms=None if position is None else position.opened_at_ms,
            lost=[*stored, *self._fresh_lost],
            pauses=pauses_of(self._events),
        )

    # --- days ----------------------------------------------------------------------------------------

    def _begin_days(
        self, session: Session, static: Static, record: RunRecord, carried: Carried, decisions: int
    ) -> None:
        """Begin the days that the record has reached; ``carried``, ``decisions``: as of the last reading."""
        first = self._first_open(static)
        for number in range(first, max(days_so_far(record), 1) + 1):
            if number not in self._days:
                day = _new_day(
                    session, static, record, number, report=self._stored.get(number), carried=carried
                )
                day.decisions_before = decisions - (0 if day.report is None else _compared(day.report))
                self._days[number] = day
        since_ms = live_day(record, min(first, max(self._days))).begin_ms
        self._fills.read(session, self.run_id, since_ms)

    def _first_open(self, static: Static) -> int:
        """Return the first day that is not finished."""
        if self._days:
            return next((n for n in sorted(self._days) if not self._days[n].is_finished), max(self._days) + 1)
        # A day whose tables were not there yet when the last process ended goes on, too.
        waits = (n for n, report in self._stored.items() if static.recipe is not None and report.fan is None)
        return next(waits, max(self._stored, default=1))

    def _ask_for_tables(self, static: Static, day: Day, live: LiveDay) -> None:
        """Have the day's tables computed: the first ones, or new ones once time was lost."""
        if day.recipe is None or day.problem or day.is_asked or live.is_waiting:
            return
        lost = live.lost()
        if day.tables is not None and lost == day.derived_with:
            return
        # The position that a run took over decides when its watch begins, and so the hour of the windows.
        recipe = day.recipe.model_copy(update={"begin_ms": live.begin_ms}) if static.took_over else day.recipe
        spec, home = static.spec, self._home
        day.is_asked, day.derived_with = True, lost
        self._calibrator.ask(
            self.run_id, day.number, lambda: make_day_tables(windows_of(recipe, spec, home), recipe, lost)
        )

    def take_tables(self, derived: Derived) -> bool:
        """Take in the tables of a day; False: the run was read anew and does not have that day."""
        day = self._days.get(derived.day)
        if day is None:
            return False
        day.is_asked, day.tables, day.problem = False, derived.tables, derived.problem
        self._tables[derived.day] = b"" if derived.tables is None else derived.tables.pack()
        return True

    # --- looking -------------------------------------------------------------------------------------

    def look(self, now_ms: int) -> Looked:
        """Make the reports of the days that are not finished. ``now_ms``: wall time, ms since the epoch."""
        static, record = self._static, self._record
        if static is None or record is None:
            return Looked(self.run_id)
        reports, recipes = [], []
        known = dict(self._stored)
        today = max(self._days)
        for number in range(self._first_open(static), today + 1):
            day, live = self._days[number], live_day(record, number)
            if not day.is_locked and day.recipe is not None:
                recipes.append(day.recipe)
                day.locked, day.is_locked = Locked(hash=day.recipe.sha256(), at=now_ms), True
            self._ask_for_tables(static, day, live)
            report = self._report(static, day, live, is_today=number == today)
            if report is not None:
                reports.append(report)
                # The days after it are judged together with it.
                self._stored[number] = report
            is_judged = bool(day.problem) or (day.tables is not None and not day.is_asked)
            day.is_finished = (live.is_over or self.has_ended) and is_judged
        before = known.get(today)
        fresh = next((report for report in reports if report.day == today), None)
        is_diverged = fresh is not None and fresh.verdict is Verdict.DIVERGED
        was_diverged = before is not None and before.verdict is Verdict.DIVERGED
        diverged = fresh if is_diverged and not was_diverged else None
        wants_pause = static.run.settings.on_diverged is OnDiverged.PAUSE_ENTRIES
        made_ms = now_ms
        awaits_tables = any(day.is_asked for day in self._days.values())
        if (self.has_more or awaits_tables) and self._ended_ms is not None:
            made_ms = min(now_ms, self._ended_ms - DAY_MS + self._sequence)
        looked = Looked(
            run_id=self.run_id,
            made_ms=made_ms,
            reports=tuple(reports),
            diverged=diverged,
            together=_together(fresh, known),
            begins_day=today > 1 and before is None,
            pauses_entries=diverged is not None and wants_pause and not (self._is_paused or self.has_ended),
            recipes=tuple(recipes),
            lost=tuple(self._fresh_lost),
            tables=self._tables,
            shadow_json=None if self._follower is None or not reports else self._follower.to_json(),
        )
        self._tables = {}
        return looked

    def _report(self, static: Static, day: Day, live: LiveDay, *, is_today: bool) -> WatchReport | None:
        """Return the new report of a day; None: it has not changed."""
        follower = self._follower
        identity = None if follower is None else follower.state.identity
        if not is_today:
            identity = None if day.report is None else day.report.identity
        seen = [] if follower is None else follower.mismatches
        begin_ms = 0 if day.number == 1 else live.begin_ms
        mismatches = [each for each in seen if begin_ms < each.time <= live.end_ms]
        if is_today and day.number > 1:
            mismatches = [*self._found_late(day.number, begin_ms, seen), *mismatches]
        compared = 0 if follower is None else follower.decisions - day.decisions_before
        if not is_today and day.report is not None:
            compared = _compared(day.report)
        since_start = self._since_start(day)
        limits = self._limits(static) if is_today or day.report is None else day.report.limit_fills
        made_of = (
            live.now_ms, live.is_waiting, live.paused_ms, id(day.tables), day.problem, day.is_asked,
            self._fills.version, len(mismatches), compared, self.has_ended, self._is_paused, since_start,
            limits,
        )  # fmt: skip
        if made_of == day.made_of:
            return None
        day.made_of = made_of
        joint, no_joint = self._joint(day, live)
        judged, costs = self._fills.judged(live, static.promise, static.spread_bps)
        report = report_of(
            Evidence(
                run_id=self.run_id,
                mode=static.mode,
                capital=float(static.run.settings.capital),
                day=live,
                is_over=self.has_ended and is_today,
                is_paused=self._is_paused and is_today,
                joint=joint,
                no_joint=no_joint,
                compared=compared,
                mismatches=mismatches,
                no_parity=self._no_parity,
                identity=identity,
                fills=judged,
                limits=limits,
                costs=costs,
                edge=self._edge(static, live),
                since_start=since_start,
                locked=day.locked,
                before=day.report,
            )
        )
        if report == day.report and not self.has_ended:
            return None
        day.report = report
        return report

    def _found_late(self, number: int, begin_ms: int, seen: Sequence[Mismatch]) -> list[Mismatch]:
        """Return today's new mismatches on yesterday's last bars, which are read again only hours later."""
        before = self._days.get(number - 1)
        report = self._stored.get(number - 1) if before is None else before.report
        known = frozenset() if report is None else frozenset(report.mismatches)
        return [
            each
            for each in seen
            if each.cause is MismatchCause.DATA
            and begin_ms - _READ_AGAIN_MS < each.time <= begin_ms
            and each not in known
        ]

    def _joint(self, day: Day, live: LiveDay) -> tuple[Joint | None, str]:
        """Return the input of the joint checks; without it None, and why."""
        if live.is_waiting:
            return None, "the watch begins when the position that the run took over is closed"
        if day.tables is None:
            return None, day.problem or "the days of the baseline are being computed"
        paused = ""
        if live.paused_ms is not None:
            paused = f"entries were paused at {iso(live.paused_ms)}: as it was then, until the next day"
        elif day.is_asked:
            paused = "time was lost: the days of the baseline are computed anew with it"
        return Joint(day.tables, live.looks(day.tables.grid_ms), paused), ""

    def _limits(self, static: Static) -> LimitGap | None:
        """Return how much of the limit entries filled, beside what the baseline assumes."""
        if self._follower is None or static.promise is None:
            return None
        return self._follower.state.limits.gap(static.promise.costs.limit_fills)

    def _edge(self, static: Static, live: LiveDay) -> EdgeJudged:
        if static.promise is None:
            return EdgeJudged(Verdict.NOT_ENOUGH_DATA, 0, NO_BASELINE)
        until = int(np.searchsorted(self._bar_ms, live.end_ms))
        capital = float(static.run.settings.capital)
        returns = daily_returns(self._bar_ms[:until], self._equity[:until], capital)
        return judge_edge(
            returns, static.promise.daily_returns, tries=static.run.settings.version, began_ms=live.begin_ms
        )

    def _since_start(self, day: Day) -> SinceStart:
        """Return the verdict over all days before this one."""
        # Its own tables first: other days' may count one day more, and may be missing after a restart.
        known = (each.tables for each in (day, *self._days.values()))
        tables = next((each for each in known if each is not None), None)
        if tables is None:
            return SinceStart() if day.report is None else day.report.since_start
        return judge_days([_p_of(self._stored.get(number)) for number in range(1, day.number)], tables.days)


class DayFills:
    """The fills and payments from the first open day on, read again only when there are new ones."""

    def __init__(self) -> None:
        self.is_stale = True
        self.version = 0
        """Counts the readings."""
        self._fills: list[fills.StoredFill] = []
        self._payments: list[Funding] = []
        self._orders: dict[str, orders.StoredOrder] = {}
        self._known: dict[tuple[int, int, bool], tuple[FillsJudged, CostsJudged]] = {}
        """Results by day since the last reading."""

    def read(self, session: Session, run_id: str, since_ms: int) -> None:
        """Read fills and payments from ``since_ms`` (venue time) on, if there are new ones."""
        if not self.is_stale:
            return
        self.is_stale = False
        self.version += 1
        self._known.clear()
        self._fills = fills.fills_of(session, run_id, since_ms=since_ms)
        self._payments = [each for each in fills.funding_of(session, run_id) if each.time_ms >= since_ms]
        known, self._orders = self._orders, {}
        for stored in self._fills:
            order_id = stored.fill.client_order_id
            if order_id is None or order_id in self._orders:
                continue
            order = known.get(order_id)
            if order is None or not order.state.is_final:
                order = orders.get_order(session, order_id)
            if order is not None:
                self._orders[order_id] = order

    def judged(
        self, live: LiveDay, promise: Promise | None, spread_bps: float
    ) -> tuple[FillsJudged, CostsJudged]:
        """Return the results for fill prices and for costs of the day."""
        key = (live.number, live.begin_ms, live.is_waiting)
        if key not in self._known:
            self._known[key] = self._judge(live, promise, spread_bps)
        return self._known[key]

    def _judge(
        self, live: LiveDay, promise: Promise | None, spread_bps: float
    ) -> tuple[FillsJudged, CostsJudged]:
        mine, nothing = self._of(live), Verdict.NOT_ENOUGH_DATA
        if promise is None:
            return FillsJudged(nothing, len(mine), NO_BASELINE), CostsJudged(nothing, len(mine), NO_BASELINE)
        payments = [each for each in self._payments if live.begin_ms <= each.time_ms < live.end_ms]
        return (
            judge_fills(fill_costs(mine, self._orders.values(), spread_bps=spread_bps), promise.fills),
            judge_costs(mine, payments, assumed=promise.costs, assumed_funding_bps=promise.funding_bps),
        )

    def _of(self, live: LiveDay) -> list[fills.StoredFill]:
        if live.is_waiting:
            return []
        return [each for each in self._fills if live.begin_ms <= each.fill.time_ms < live.end_ms]


def _read_static(session: Session, run_id: str, settings: Settings) -> Static:
    run = runs.get_run(session, run_id)
    with row(f"the algorithm of run {run_id}"):
        spec = AlgorithmSpec.from_json(algorithms.version_by_id(session, run.version_id).spec_json)
    recipe, baseline = watched_baseline(session, run)
    no_joint = "" if recipe is not None else why_no_recipe(baseline, run)
    promise = None
    if baseline is not None:
        noise_bps = settings.watch.fill_noise_bps
        promise = read_promise(session, baseline, spec, run.market, noise_bps=noise_bps)
    return Static(run, spec, _mode(session, run, settings), recipe, promise, no_joint)


def _mode(session: Session, run: runs.Run, settings: Settings) -> Mode:
    if is_paper(wallets.wallet_by_id(session, run.wallet_id).kind):
        return "paper"
    venue = settings.venues.get(run.venue)
    # A venue that is no longer in the settings may have been real money.
    return "testnet" if venue is not None and not venue.is_mainnet else "live"


def _new_day(
    session: Session,
    static: Static,
    record: RunRecord,
    number: int,
    *,
    report: WatchReport | None,
    carried: Carried,
) -> Day:
    """Return a day with its recipe: the locked one, or a new one with the state carried into the day."""
    day = Day(number, report=report)
    if static.recipe is None:
        day.problem = static.no_joint
        return day
    stored = watch.recipe_of(session, static.run.id, number)
    begin_ms = watch_begin_ms(record)
    if stored is not None:
        with row(f"the watch recipe of run {static.run.id}, day {number}"):
            day.recipe = Recipe.model_validate_json(stored.recipe_json)
        day.locked = Locked(hash=stored.sha256, at=stored.locked_at_ms)
    elif begin_ms is not None:
        day.recipe, day.is_locked = recipe_of_day(static.recipe, number, begin_ms, carried), False
    packed = watch.tables_of(session, static.run.id, number)
    if packed and not live_day(record, number).lost():
        # Tables of a day with time lost may not include all of it; damaged ones are computed again.
        with suppress(DamagedRowError):
            day.tables = Tables.unpack(packed)
    return day


def _p_of(report: WatchReport | None) -> float | None:
    """Return the adjusted p of a day: the smallest of its joint checks."""
    if report is None:
        return None
    found = [check.p_adjusted for check in report.checks if check.name in JOINT_CHECKS]
    return min((p for p in found if p is not None), default=None)


def _together(fresh: WatchReport | None, stored: Mapping[int, WatchReport]) -> SinceStart | None:
    """Return the verdict over all days if it is ``DIVERGED`` for the first time."""
    if fresh is None or fresh.since_start.verdict is not Verdict.DIVERGED:
        return None
    is_known = any(report.since_start.verdict is Verdict.DIVERGED for report in stored.values())
    return None if is_known else fresh.since_start


def _compared(report: WatchReport) -> int:
    """Return how many decisions a report has compared."""
    check = report.check(CheckName.SIGNAL_PARITY)
    return 0 if check is None or check.n is None else check.n
