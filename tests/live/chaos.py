"""Faults and kill -9 against the whole program: ``python -m tests.live.chaos --seeds 60 [--first N]``.

One history is one run of an algorithm with a trailing stop on a loopback venue, through real ccxt. Its
protection is proven while requests are lost and the engine is killed. Its bars are stepped at the wall's pace
while requests, replies and messages are lost, delayed, doubled, refused and odd, candles are published late,
the machine's clocks jump, the account is touched by hand, and the engine is killed. Then it is left alone and
stopped, and the venue's books must be the program's. The seed says everything that is done and when, up
to the machine's own pace.
"""

import argparse
import contextlib
import multiprocessing
import random
import signal
import sys
import tempfile
import time
from decimal import Decimal
from functools import partial
from pathlib import Path

from firstwatch.store import journal
from firstwatch.store.database import Store
from firstwatch.store.files import STORE_FILE
from firstwatch.trading.events import HoleFound
from firstwatch.trading.runs import RunState
from tests.candles import generated_candles
from tests.live.rig import ACCOUNT, Desk, remove_folder, until

ACTIVE = """
name = "active"
direction = "both"
timeframe = "1h"
[entry.long]
required = ["close < open"]
[entry.short]
required = ["close > open"]
[exit.long]
required = ["rsi(3) > 75"]
[exit.short]
required = ["rsi(3) < 25"]
[stop_loss]
fraction = 0.02
trailing = true
[take_profit]
fraction = 0.03
[sizing]
equity = 0.5
"""
HISTORY = 1_100
BARS = 24
_STEP_S = 0.06
_DECIDES_S = 3.0
_UNPROTECTED_S = 5.0
_HANGS_EVERY_S = 8.0

REQUEST_FAULTS = (
    ("reply_lost", {}),
    ("request_lost", {}),
    ("http", {"status": 429}),
    ("http", {"status": 500}),
    ("http", {"status": 502}),
    ("http_after", {"status": 502}),
    ("html", {}),
    ("empty", {}),
    ("slow", {"seconds": 1.5}),
    ("slow_reply", {"seconds": 1.5}),
    ("hang", {}),
    ("hang_after", {}),
    ("odd", {}),
    ("refused", {"body": "Too many cumulative requests sent (1 > 0) for cumulative volume traded $0."}),
)
TARGETS = ("order", "cancelByCloid", "batchModify", "modify", "orderStatus", "exchange", "info")
PROOF_TARGETS = ("order", "cancelByCloid", "orderStatus", "frontendOpenOrders", "exchange")
_LAUNCHES_S = 180.0
"""A launch is refused while a fault of eight requests lasts; each is a process of its own."""
_PROOF_LIMIT_S = 150.0
_NOT_PROVEN = "the proof failed"


class Chaos:
    """One history."""

    def __init__(self, seed: int, home: Path, length: int = BARS) -> None:
        self.seed = seed
        self.length = length
        self.chance = random.Random(seed)
        self.more = random.Random(f"more of {seed}")
        bars = generated_candles(seed, HISTORY + length + 40).bars()
        self.desk = Desk(
            home,
            bars,
            generated_candles(seed, 1).timeframe,
            history=HISTORY,
            toml=ACTIVE,
            half_spread_bps=1.0,
        )
        self.done: list[str] = []
        self.kills = 0
        self._hung_at_s = 0.0
        self._lags_for = 0
        """So many bars more what the venue says of the account is old."""

    def play(self) -> str:
        """Play the history; return what happened in a line.

        Raises:
            AssertionError: something that must hold did not; the message begins with the seed.
        """
        desk = self.desk
        engine = desk.engine()
        try:
            desk.wait_held(engine)
            run_id, engine = self._begin(engine)
            for _ in range(self.length):
                engine = self._play_bar(engine)
                self._resume(run_id)
            self._calm()
            if engine.poll() is not None:
                engine = desk.engine()
            for _ in range(3):
                self._step_through_bar()
            self._stop(run_id)
            return self._check(run_id)
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(f"seed {self.seed}: {error}; done: {', '.join(self.done)}") from error
        finally:
            if engine.poll() is None:
                engine.kill()
            engine.wait()
            desk.close()

    def _begin(self, engine):
        """Hand the run over while its proof is disturbed, again after it has failed; return its id, too."""
        desk, more = self.desk, self.more
        for is_disturbed in (True, False):
            will_be_killed = is_disturbed and more.random() < 0.4
            for _ in range(more.choice((0, 2, 3, 4)) if is_disturbed else 0):
                kind, how = more.choice(REQUEST_FAULTS)
                on, count = more.choice(PROOF_TARGETS), more.choice((1, 2, 8))
                self._disturb_requests(kind, on, count, how, skip=more.choice((0, 0, 1, 2)))
            run_id = until(self._launched, "a launch that is taken", _LAUNCHES_S)
            if will_be_killed:
                self._wait_for(f"select 1 from run_order where run_id = '{run_id}'", run_id)
                time.sleep(more.uniform(0, 0.3))
                engine = self._kill(engine)
            self._wait_for("select 1 where false", run_id)
            if not RunState(self._state(run_id)).is_final:
                break
            self.done.append(_NOT_PROVEN)
            self._calm()
            until(lambda: not desk.server.account(ACCOUNT).open_orders or None, "its orders to be gone", 90)
        assert not self._proof_orders(), f"orders of the proof rest: {self._proof_orders()}"
        self._calm()
        return run_id, engine

    def _launched(self) -> str | None:
        """Hand the run over; None: refused, as a venue that does not answer cannot be checked."""
        try:
            return self.desk.ask_for("active", "--capital", 5_000, "--leverage", 3)
        except AssertionError:
            self.done.append("launch refused")
            return None

    def _wait_for(self, question: str, run_id: str) -> None:
        """Wait until a question to the store has an answer, or the run is no longer new."""

        def found() -> bool | None:
            return bool(self.desk.rows(question)) or self._state(run_id) != "NEW" or None

        until(found, "the proof", _PROOF_LIMIT_S)

    def _proof_orders(self) -> list[str]:
        """Return the client ids of the orders of a proof that rest: they are numbered behind all others."""
        ids = [order.cloid or "" for order in self.desk.server.account(ACCOUNT).open_orders]
        return [cloid for cloid in ids if cloid and int(cloid, 16) & (1 << 63)]

    def _state(self, run_id: str) -> str:
        return self.desk.rows(f"select state from run where id = '{run_id}'")[0][0]

    def _play_bar(self, engine):
        chance, faults = self.chance, self.desk.server.faults
        if chance.random() < 0.5:
            kind, how = chance.choice(REQUEST_FAULTS)
            on, count = chance.choice(TARGETS), chance.choice((1, 1, 2))
            self._disturb_requests(kind, on, count, how)
        self._lag()
        if chance.random() < 0.2 and not self._lags_for:
            kind = chance.choice(("message_lost", "message_twice", "message_odd"))
            faults.plan(
                kind,
                chance.choice(("userFills", "orderUpdates", "candle")),
                count=2,
                seed=self.more.randrange(1_000_000),
            )
            self.done.append(kind)
        what = 1.0 if self._lags_for else chance.random()
        if what < 0.06:
            faults.drop_streams()
            self.done.append("streams dropped")
        elif what < 0.10:
            faults.stall_streams()
            self.done.append("streams stale")
        elif what < 0.16:
            faults.partial("0.5")
            self.done.append("partial fill")
        elif what < 0.20:
            faults.go_down()
            time.sleep(0.5)
            faults.come_up()
            self.done.append("venue down")
        elif what < 0.23:
            self._by_hand(chance.choice(("close", "liquidate", "cancel_all")))
        elif what < 0.33:
            late_s = chance.choice((0.3, 2.0, 6.0))
            faults.withhold_candle("BTC", self.desk.bars[self.desk.next_bar].time_ms, late_s)
            self.done.append(f"candle {late_s:g} s late")
        self._step_through_bar()
        self._jump(engine)
        if chance.random() < 0.08 and not self._lags_for:
            engine = self._kill(engine)
        return engine

    def _jump(self, engine) -> None:
        """Set the wall clock back, or suspend the machine while the market goes on, now and then."""
        desk, more = self.desk, self.more
        if more.random() < 0.05:
            hours = more.choice((0.01, 1, 25))
            desk.machine.set_back(hours * 3600)
            self.done.append(f"clock {hours:g} h back")
        if more.random() < 0.08 and not self._lags_for:
            bars = more.choice((0, 1, 3))
            self.done.append(f"suspended for {bars} bars")
            with desk.server.alone():
                engine.send_signal(signal.SIGSTOP)
                asleep_ms = -desk.server.now_ms()
                for _ in range(bars):
                    bar_ms = desk.bars[desk.next_bar].time_ms
                    for share in (0.0, 0.3, 0.6, 0.9):
                        desk.server.step_to(bar_ms + int(desk.timeframe.ms * share))
                    desk.next_bar += 1
                asleep_s = max((asleep_ms + desk.server.now_ms()) / 1000, 30.0)
                desk.server.date_offset_s += asleep_s
                desk.machine.suspend(asleep_s)
                engine.send_signal(signal.SIGCONT)

    def _kill(self, engine):
        """Kill the engine and return the next one, which holds it now."""
        self.kills += 1
        self.done.append("kill -9")
        with self.desk.server.alone():
            engine.kill()
            engine.wait()
            engine = self.desk.engine()
            self.desk.wait_held(engine)
        return engine

    def _disturb_requests(self, kind: str, on: str, count: int, how: dict, *, skip: int = 0) -> None:
        if kind.startswith("hang"):
            # One request hangs, not two that are made one after the other.
            if time.monotonic() - self._hung_at_s < _HANGS_EVERY_S:
                return
            self._hung_at_s, count = time.monotonic(), 1
        seed = self.more.randrange(1_000_000)
        self.desk.server.faults.plan(kind, on, count=count, skip=skip, seed=seed, **how)
        self.done.append(f"{kind} on {on} x{count}")

    def _lag(self) -> None:
        """Let the nodes that answer for the account fall behind now and then, and catch up bars later."""
        if self._lags_for:
            self._lags_for -= 1
            if not self._lags_for:
                self.desk.server.faults.lag(ACCOUNT, 0)
        elif self.chance.random() < 0.06:
            seconds = self.chance.choice((8, 20))
            self._lags_for = self.chance.randint(3, 8)
            # From here on the streams are all that tells what is: a message that is lost as well, of an order
            # whose answer was lost, would leave nothing that could be known.
            self.desk.server.faults.forget_messages()
            self.desk.server.faults.lag(ACCOUNT, seconds)
            self.done.append(f"{seconds} s behind for {self._lags_for} bars")

    def _resume(self, run_id: str) -> None:
        """Resume entries, now and then, where a hand or the venue has made them pause."""
        is_paused = self.desk.rows(
            f"select 1 from run where id = '{run_id}' and paused and state = 'RUNNING'"
        )
        if is_paused and self.chance.random() < 0.5:
            self._operate("run", "resume", run_id)
            self.done.append("resumed")

    def _operate(self, *words: str) -> None:
        """Act as an operator does: once more where the engine has only just begun again."""

        def done() -> bool | None:
            try:
                self.desk.do(*words)
            except AssertionError as refusal:
                if "has no worker now" not in str(refusal):
                    raise
                return None
            return True

        until(done, " ".join(words))

    def _by_hand(self, what: str) -> None:
        hand, size = self.desk.server.by_hand(ACCOUNT), self.desk.server.account(ACCOUNT).positions.get("BTC")
        if size:
            self.done.append(f"{what} by hand")
            getattr(hand, what)("BTC")

    def _step_through_bar(self) -> None:
        """Let the next bar begin, give the run a moment to decide, and go on to the bar's end."""
        desk = self.desk
        bar_ms, closed_ms = desk.bars[desk.next_bar].time_ms, desk.bars[desk.next_bar - 1].time_ms
        desk.server.step_to(bar_ms)
        with contextlib.suppress(TimeoutError):
            until(lambda: desk.has_decided(closed_ms) or None, "a decision", _DECIDES_S)
        for share in (0.3, 0.6, 0.9):
            time.sleep(_STEP_S * self.chance.uniform(0.5, 2))
            desk.server.step_to(bar_ms + int(desk.timeframe.ms * share))
        desk.next_bar += 1

    def _calm(self) -> None:
        self.desk.server.faults.clear()
        self.desk.server.faults.resume_streams()

    def _stop(self, run_id: str) -> None:
        if not RunState(self._state(run_id)).is_final:
            self._operate("run", "stop", run_id, "--mode", "close")
        server, began_s = self.desk.server, time.monotonic()
        began_ms = server.now_ms()

        def has_ended() -> bool | None:
            # A venue's time goes on: an account of before a refusal shows nothing that came of it.
            server.step_to(began_ms + int((time.monotonic() - began_s) * 1000))
            return RunState(self._state(run_id)).is_final or None

        until(has_ended, "the run to end", 90)

    def _check(self, run_id: str) -> str:
        desk = self.desk
        account, audit = desk.server.account(ACCOUNT), desk.server.audit()
        state = desk.rows(f"select state, sentence from run where id = '{run_id}'")[0]
        assert audit.reused_cloids == [], "a client id was used for two orders"
        assert audit.orders_without_cloid == 0, "an order had no client id"
        assert audit.implicit_actions == [], "something was sent that nobody decided on"
        assert audit.builders == {}, "a builder was paid"
        decided = [
            Decimal(row[0]) for row in desk.rows("select amount from run_order where purpose = 'entry'")
        ]
        largest = max(audit.largest_positions.values(), default=Decimal(0))
        assert largest <= max(decided, default=Decimal(0)), f"held {largest}, decided {decided}"
        known = {row[0] for row in desk.rows("select fill_id from fill")}
        missing = [fill.tid for fill in account.fills if str(fill.tid) not in known]
        assert not missing, f"{len(missing)} fills of the venue are not in the ledger"
        self._check_bars(run_id)
        bare_s = max(audit.longest_unprotected_s.values(), default=0.0)
        assert bare_s <= _UNPROTECTED_S, f"unprotected for {bare_s:.1f} s"
        if not account.positions:
            signs = {"buy": -1, "sell": 1}
            cash = sum(
                signs[side] * Decimal(amount) * Decimal(price) - Decimal(fee)
                for side, amount, price, fee in desk.rows("select side, amount, price, fee from fill")
            )
            paid = sum(Decimal(row[0]) for row in desk.rows("select paid from funding"))
            made = account.equity - account.deposits
            assert abs(cash - paid - made) < Decimal("0.01"), f"fills {cash - paid}, venue {made}"
            won = sum(Decimal(row[0]) for row in desk.rows("select pnl from trade"))
            assert abs(won - made) < Decimal("0.01"), f"ledger {won}, venue {made}"
        assert not self._proof_orders(), f"orders of the proof rest: {self._proof_orders()}"
        assert not account.positions or RunState(state[0]) is RunState.FAILED, f"left {account.positions}"
        return (
            f"seed {self.seed}: {state[0]}, {len(account.fills)} fills, {self.kills} kills,"
            f" {self.done.count(_NOT_PROVEN)} proofs failed,"
            f" {len(self.done)} faults, unprotected {bare_s:.1f} s{f' ({state[1]})' if state[1] else ''}"
        )

    def _check_bars(self, run_id: str) -> None:
        """Every bar that is over was decided, or is named as one that the venue did not have."""
        counted = {row[0] for row in self.desk.rows("select time_ms from equity")}
        store = Store(self.desk.home / STORE_FILE, read_only=True)
        with store.read() as session:
            noted = journal.events_of_kinds(session, run_id, {"hole_found"})
        store.close()
        holes = [entry.event for entry in noted if isinstance(entry.event, HoleFound)]
        first_ms, last_ms = min(counted, default=0), max(counted, default=0)
        for bar in self.desk.bars:
            is_missing = any(hole.first_ms <= bar.time_ms <= hole.last_ms for hole in holes)
            if first_ms <= bar.time_ms <= last_ms:
                assert bar.time_ms in counted or is_missing, f"bar {bar.time_ms} was skipped"


def play(seed: int, bars: int = BARS) -> tuple[bool, str]:
    """Play one history; return whether all held, and what happened in a line."""
    folder = Path(tempfile.mkdtemp(prefix=f"firstwatch-chaos-{seed}-"))
    try:
        said = Chaos(seed, folder / "home", bars).play()
    except AssertionError as error:
        return (
            False,
            f"FAILED {error} (replay: python -m tests.live.chaos --first {seed} --seeds 1; {folder})",
        )
    remove_folder(folder)
    return True, said


def main() -> int:
    """Play as many histories as the command line says; print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--bars", type=int, default=BARS, help="0: hardly more than the proof")
    told = parser.parse_args()
    failed, seeds = 0, range(told.first, told.first + told.seeds)
    with multiprocessing.get_context("spawn").Pool(told.at_once) as pool:
        for all_held, said in pool.imap_unordered(partial(play, bars=told.bars), seeds):
            failed += not all_held
            sys.stdout.write(f"{said}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{told.seeds} histories, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
