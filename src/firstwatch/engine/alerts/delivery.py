"""Sends the alarms of the store to the addresses of the settings, in its own thread."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from firstwatch.engine.alerts.address import Address, addresses_of
from firstwatch.engine.alerts.due import due, held_since_ms
from firstwatch.engine.alerts.message import message_of
from firstwatch.engine.alerts.sending import Sender
from firstwatch.engine.lease import Lease
from firstwatch.engine.reconciliation.periodic import PeriodicTask
from firstwatch.settings import Settings
from firstwatch.store import alerts, journal, runs, wallets
from firstwatch.store.alerts import Failing, Rise, Sent
from firstwatch.store.database import Session, Store
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.events import Noted

PAUSES_S = (5.0, 30.0, 120.0, 600.0)
"""Pauses after the first, second, ... failure in a row of an address; the last one from then on."""
_APART_S = 10.0
"""Least time between two messages to one address: alarms raised meanwhile share the second one."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Account:
    """Delivery state of one address; the store has a copy for the next engine."""

    address: Address
    sent: dict[tuple[str, str], Sent]
    failing: Failing | None
    tries: int = 0
    try_at_s: float = 0.0


class AlertDelivery:
    """Looks for alarms to send. ``task`` is started by the host and waits for addresses in its thread."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, lease: Callable[[], Lease]) -> None:
        self._store = store
        self._settings = settings
        self._quiet = settings.alerts.quiet
        self._clock = clock
        self._lease = lease
        self._sender = Sender()
        self._accounts: list[_Account] | None = None
        self.task = PeriodicTask("alerts", self._deliver)

    def close(self) -> None:
        """Send nothing more and abort messages being sent. Idempotent."""
        self.task.close()
        self._sender.close()

    def _deliver(self) -> None:
        if self._accounts is None:
            self._accounts = self._open()
        now_ms, now_s = self._clock.now_ms(), self._clock.elapsed_s()
        ready = [each for each in self._accounts if now_s >= each.try_at_s]
        with self._store.read() as session:
            owed = [(account, self._due(session, account, now_ms)) for account in ready]
            owed = [(account, rises) for account, rises in owed if rises]
            names = {rise.key: self._name(session, rise) for _, rises in owed for rise in rises}
        if not owed:
            return
        messages = [
            (account.address, message_of([(rise, names[rise.key]) for rise in rises], now_ms, self._quiet))
            for account, rises in owed
        ]
        problems = self._sender.send(messages)
        if self.task.is_closed and all(problems):
            # Aborted as the engine ended: the next engine sends it.
            return
        for (account, rises), problem in zip(owed, problems, strict=True):
            self._record(account, rises, problem, now_ms)

    def _open(self) -> list[_Account]:
        addresses = addresses_of(self._settings.alerts.urls)
        with self._store.write(self._lease().epoch) as session:
            alerts.forget_others(session, [address.key for address in addresses])
            failing = alerts.failing(session)
            return [
                _Account(address, alerts.sent_to(session, address.key), failing.get(address.key))
                for address in addresses
            ]

    def _due(self, session: Session, account: _Account, now_ms: int) -> list[Rise]:
        failing_ms = None if account.failing is None else account.failing.since_ms
        over_ms = held_since_ms(now_ms, self._quiet, failing_ms)
        found = alerts.rises(session, over_since_ms=over_ms)
        return due(found, account.sent, now_ms, quiet=self._quiet, failing_since_ms=failing_ms)

    def _name(self, session: Session, rise: Rise) -> str:
        """Return the name of a run or a wallet in a message, which begins with its kind of money."""
        try:
            if rise.is_of_wallet:
                wallet = wallets.get_wallet(session, rise.owner)
                return f"{self._money(wallet.venue)}wallet {wallet.name} at {wallet.venue}"
            run = runs.get_run(session, rise.owner)
        except FirstwatchError:
            return rise.owner
        chosen = run.settings
        return (
            f"{self._money(run.venue)}{chosen.algorithm}@{chosen.version} ({run.id[:4]}) on {run.wallet}, "
            f"{chosen.symbol}"
        )

    def _money(self, venue: str) -> str:
        known = self._settings.venues.get(venue)
        return "" if known is None else f"{known.money.value.upper()} "

    def _record(self, account: _Account, rises: Sequence[Rise], problem: str, now_ms: int) -> None:
        """Record the outcome in memory first: if the store cannot be written, nothing is sent twice."""
        label, now_s = account.address.label, self._clock.elapsed_s()
        is_new = bool(problem) and account.failing is None
        if problem:
            since_ms = now_ms if account.failing is None else account.failing.since_ms
            account.failing = Failing(since_ms, problem)
            account.try_at_s = now_s + PAUSES_S[min(account.tries, len(PAUSES_S) - 1)]
            account.tries += 1
            _log.log(
                logging.WARNING if is_new else logging.INFO,
                "alarms cannot be sent to %s: %s",
                label,
                problem,
            )
        else:
            if account.failing is not None:
                _log.warning("alarms are sent to %s again", label)
            account.failing, account.tries = None, 0
            account.try_at_s = now_s + _APART_S
            account.sent |= {rise.key: Sent(rise.since_ms, now_ms) for rise in rises}
        with self._store.write(self._lease().epoch) as session:
            alerts.note_failing(session, account.address.key, account.failing)
            if not problem:
                alerts.note_sent(session, account.address.key, rises, now_ms=now_ms)
            elif is_new:
                noted = Noted(sentence=f"its alarm cannot be sent to {label}: {problem}; it is tried again")
                for run_id in [rise.owner for rise in rises if not rise.is_of_wallet][:1]:
                    journal.append_system_events(session, run_id, [noted], now_ms=now_ms)
