"""The closing of a wallet in front of a venue that answers as drawn: nothing twice, nothing beyond flat."""

import tempfile
import threading
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstwatch.engine.lease import Lease
from firstwatch.engine.reconciliation.closing import GIVES_UP_AFTER_S, WalletCloser
from firstwatch.store import commands, hosts, wallets
from firstwatch.store.database import open_store
from firstwatch.trading.account import Position
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.commands import CloseWallet, CommandOutcome
from firstwatch.trading.errors import VenueError
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.orders import OrderKind, OrderReport, OrderState, Side, Touch
from firstwatch.trading.runs import Author
from firstwatch.venues.protocol import (
    Accepted,
    Capabilities,
    Executed,
    Holdings,
    NeverWill,
    PreparedRequest,
    RefusalCode,
    Refused,
    StillUnknown,
    Unknown,
)

SYMBOL = DEFAULT_MARKET.symbol
ANSWERS = ("all", "half", "none", "lost", "never", "refused", "busy", "died")
"""What becomes of a request: filled, half of it, none; filled or never arrived with the answer lost; refused,
refused for its rate; filled, and the process dies before it takes the answer."""


class Died(Exception):
    """The process ends here."""


class Forgotten(dict[str, OrderReport]):
    """The reports of a venue that forgets its orders at once."""

    def __setitem__(self, name: str, report: OrderReport) -> None:
        pass


class Venue:
    """One position, and an answer for each request in turn; in the end all are filled."""

    name = "v"
    capabilities = Capabilities(is_paper=False, modifies_orders=True, has_phases=False)

    def __init__(self, held: Decimal, answers: list[str]) -> None:
        self.held = self.before = held
        self.answers = answers
        self.doubts = 0
        """How often the venue still cannot say what became of an order in doubt."""
        self.reports: dict[str, OrderReport] = {}
        self.in_doubt: set[str] = set()
        self.sent: list[str] = []
        self.intents: dict[bytes, object] = {}
        self.bounds: list[Decimal] = []
        self.is_down = False
        self.lags = 0
        """How many more times it does not know an accepted order, and shows the position as before."""

    def markets(self):
        return {SYMBOL: DEFAULT_MARKET}

    def touch(self, _symbol):
        return Touch(100.0, 100.0, 100.0, 1)

    def holdings(self, account):
        assert not self.in_doubt, "the position is read while an order is in doubt"
        if self.is_down:
            raise VenueError("The venue does not answer.")
        shown = self.before if self.lags else self.held
        side = Side.LONG if shown > 0 else Side.SHORT
        held = Position(
            account,
            SYMBOL,
            side,
            abs(shown),
            Decimal(99),
            Decimal(2),
            True,
            None,
            Decimal(1),
            Decimal(0),
            1,
        )
        return Holdings([held] if shown else [], [])

    def prepare(self, intent):
        body = intent.client_order_id.encode()
        self.intents[body] = intent
        return PreparedRequest(intent.client_order_id, body, nonce=len(self.intents))

    def send(self, prepared):
        intent = self.intents[prepared.body]
        assert intent.client_order_id not in self.sent
        assert not self.in_doubt, "another order is sent beside one in doubt"
        assert (intent.reduce_only, intent.kind) == (True, OrderKind.MARKET)
        assert intent.side.sign * self.held < 0
        assert intent.amount <= abs(self.held)
        self.sent.append(intent.client_order_id)
        self.bounds.append(abs(intent.price - 100))
        answer = self.answers.pop(0) if self.answers else "all"
        if answer == "refused":
            return Refused(RefusalCode.OTHER, "halted")
        if answer == "busy":
            return Refused(RefusalCode.RATE_LIMIT, "too many requests")
        if answer == "never":
            self.in_doubt.add(intent.client_order_id)
            return Unknown("the answer was lost")
        share = {"half": Decimal("0.5"), "none": Decimal(0)}.get(answer, Decimal(1))
        steps = DEFAULT_MARKET.steps(intent.amount * share)
        self.before = self.held
        filled = DEFAULT_MARKET.amount(steps)
        self.held += intent.side.sign * filled
        state = OrderState.FILLED if filled == intent.amount else OrderState.CANCELED
        self.reports[intent.client_order_id] = OrderReport(
            intent.client_order_id, "1", intent.account, SYMBOL, intent.side, intent.kind, state,
            intent.amount, filled, True, 1, average_price=Decimal(100) if filled else None,
        )  # fmt: skip
        if answer in ("lost", "died"):
            self.in_doubt.add(intent.client_order_id)
        if answer == "died":
            raise Died
        return Unknown("the answer was lost") if answer == "lost" else Accepted("1")

    def resolve(self, prepared):
        if self.doubts:
            self.doubts -= 1
            return StillUnknown("not yet")
        self.in_doubt.discard(prepared.client_order_id)
        report = self.reports.get(prepared.client_order_id)
        return NeverWill("it was never there") if report is None else Executed(report)

    def order(self, _account, _symbol, client_order_id):
        if self.lags:
            self.lags -= 1
            return None
        return self.reports.get(client_order_id)


class Rig:
    """A store with one wallet, a venue, and a closer that can be made anew as by another process."""

    def __init__(self, folder: Path, venue: Venue) -> None:
        self.venue = venue
        self.clock = ManualClock()
        self.store = open_store(folder)
        with self.store.write() as session:
            wallets.create_wallet(session, "w", venue="v", kind="hyperliquid", account="0xabc", now_ms=1)
            self.epoch = hosts.claim_host(session, pid=1, host_name="h", version="0", now_ms=1)
        self.closed: list[str] = []
        self.restart()

    def restart(self) -> None:
        lease = Lease(self.epoch, self.clock)
        self.closer = WalletCloser(
            self.store,
            SimpleNamespace(get=lambda _name: self.venue),
            self.clock,
            lambda: lease,
            threading.Lock(),
            closed=lambda: self.closed.append("closed"),
        )
        self._lease = lease

    def ask(self) -> int:
        with self.store.write() as session:
            number = commands.submit_command(
                session, CloseWallet(wallet="w"), author=Author.OPERATOR, now_ms=1
            )
            commands.accept_command(session, number, now_ms=1)
        self.begin(number)
        return number

    def begin(self, number: int) -> None:
        with self.store.read() as session:
            self.closer.begin(commands.get_command(session, number))

    def outcome(self, number: int) -> tuple[CommandOutcome, str]:
        with self.store.read() as session:
            command = commands.get_command(session, number)
        return command.outcome, command.sentence

    def run(self, number: int, looks: int = 60) -> tuple[CommandOutcome, str]:
        """Look until there is an outcome, a second apart; a process that dies is followed by another."""
        for _ in range(looks):
            try:
                self.closer.look()
            except Died:
                self.restart()
                self.begin(number)
            outcome = self.outcome(number)
            if outcome[0] is not CommandOutcome.ACCEPTED:
                return outcome
            self.clock.advance(1_000)
            self._lease.renewed(self.clock.elapsed_s())
        return self.outcome(number)


@pytest.fixture
def make(tmp_path):
    rigs = []

    def make(held="0.5", *answers):
        rigs.append(Rig(tmp_path / str(len(rigs)), Venue(Decimal(held), list(answers))))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.store.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.integers(1, 1_000),
    sign=st.sampled_from([1, -1]),
    answers=st.lists(st.sampled_from(ANSWERS), max_size=4),
    doubts=st.integers(0, 3),
)
def test_whatever_is_answered_nothing_is_sent_twice_and_it_ends_flat(steps, sign, answers, doubts):
    venue = Venue(sign * DEFAULT_MARKET.amount(steps), answers)
    venue.doubts = doubts
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder), venue)
        try:
            outcome, sentence = rig.run(rig.ask())
        finally:
            rig.store.close()
    assert outcome is CommandOutcome.DONE, sentence
    assert venue.held == 0
    assert len(set(venue.sent)) == len(venue.sent)


def test_each_order_that_does_not_close_it_is_followed_by_one_with_a_wider_bound(make):
    rig = make("0.5", "none", "half", "none", "none")
    assert rig.run(rig.ask())[0] is CommandOutcome.DONE
    assert rig.venue.bounds == [1, 5, 10, 10, 10]


@pytest.mark.parametrize("answer", ["busy", "never"])
def test_one_that_the_venue_did_not_take_is_followed_by_one_with_the_same_bound(make, answer):
    rig = make("0.5", answer)
    assert rig.run(rig.ask())[0] is CommandOutcome.DONE
    assert rig.venue.bounds == [1, 1]


def test_as_long_as_the_outcome_is_not_known_it_neither_ends_nor_sends(make):
    rig = make("0.5", "lost")
    rig.venue.doubts = 200
    number = rig.ask()
    outcome, _ = rig.run(number, looks=2 * int(GIVES_UP_AFTER_S))
    assert (outcome, len(rig.venue.sent)) == (CommandOutcome.ACCEPTED, 1)
    rig.venue.doubts = 0
    assert rig.run(number)[0] is CommandOutcome.DONE
    assert len(rig.venue.sent) == 1


def test_it_gives_up_where_the_venue_cannot_be_asked_and_nothing_is_under_way(make):
    rig = make()
    rig.venue.is_down = True
    outcome, sentence = rig.run(rig.ask(), looks=2 * int(GIVES_UP_AFTER_S))
    assert outcome is CommandOutcome.REFUSED
    assert "The venue does not answer" in sentence
    assert rig.venue.sent == []


def test_one_that_is_asked_for_twice_is_closed_once(make):
    rig = make()
    first, second = rig.ask(), rig.ask()
    assert rig.run(second)[0] is CommandOutcome.DONE
    assert rig.outcome(first) == rig.outcome(second)
    assert len(rig.venue.sent) == 1
    assert not rig.closer.has_work


def test_a_position_that_is_shown_as_before_its_fill_is_not_closed_again_at_once(make):
    rig = make()
    number = rig.ask()
    held = rig.venue.held
    rig.closer.look()
    flat, rig.venue.held = rig.venue.held, held
    rig.clock.advance(1_000)
    rig.closer.look()
    assert (flat, len(rig.venue.sent)) == (0, 1)
    rig.venue.held = flat
    assert rig.run(number)[0] is CommandOutcome.DONE
    assert len(rig.venue.sent) == 1


def test_an_accepted_order_that_the_venue_does_not_know_yet_is_waited_for(make):
    rig = make("1")
    rig.venue.lags = 20
    outcome, sentence = rig.run(rig.ask())
    assert (outcome, rig.venue.lags, len(rig.venue.sent)) == (CommandOutcome.DONE, 0, 1)
    assert "closed 1 BTC" in sentence


def test_one_that_the_venue_forgets_is_waited_for_no_longer_than_a_lag(make):
    rig = make("1", "none")
    rig.venue.reports = Forgotten()
    outcome, _ = rig.run(rig.ask(), looks=100)
    assert (outcome, len(rig.venue.sent)) == (CommandOutcome.DONE, 2)


def test_a_market_that_is_not_traded_from_here_is_named(make, monkeypatch):
    rig = make()
    monkeypatch.setattr(rig.venue, "markets", dict)
    outcome, sentence = rig.run(rig.ask())
    assert outcome is CommandOutcome.REFUSED
    assert f"w holds long 0.5 {SYMBOL}" in sentence
    assert "close it at the venue" in sentence
