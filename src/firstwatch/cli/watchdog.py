"""``firstwatch watchdog``: says when the engine itself is gone."""

import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import Output, say
from firstwatch.trading.errors import RefusedError, StoreError

if TYPE_CHECKING:
    from firstwatch.engine.alerts.address import Address
    from firstwatch.settings import Settings
    from firstwatch.store.database import Store

_DOUBTFUL_S = 0.5
_PAUSES_S = (0.0, 5.0, 15.0)
"""Pauses before the first, second and third try to send."""


def watchdog(
    every: Annotated[
        float, typer.Option(metavar="S", min=0.5, max=60, help="Seconds between two looks at the engine.")
    ] = 5.0,
    as_json: JsonFlag = False,
) -> None:
    """Run until the engine's heartbeat is older than 10 s, then alert by [alerts]; exit code 1."""
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.waiting import stopped_by_signals
    from firstwatch.engine.alerts.address import addresses_of
    from firstwatch.engine.host.service_manager import READY, notify
    from firstwatch.engine.lock import EngineState, presence

    with stopped_by_signals() as stop, open_folder() as (settings, store):
        if presence(settings.home, None).state is EngineState.NONE:
            raise RefusedError(
                "No engine runs on this data folder, so there is nothing to watch; start one with "
                "`firstwatch engine`."
            )
        addresses = addresses_of(settings.alerts.urls)
        if not as_json:
            where = ", ".join(each.label for each in addresses) or "this terminal only: [alerts] has no urls"
            say(f"the engine is watched; its end is said to {where}")
        notify(READY)
        if not _wait_until_gone(store, every, stop):
            return
        sentence = _sentence(settings, store)
        if not as_json:
            say(sentence)
        outcomes = _alert(addresses, sentence, stop)
    document = {
        "sentence": sentence,
        "alerts": [
            {"address": label, "delivered": not problem, "problem": problem}
            for label, problem in outcomes.items()
        ],
    }
    lines = [
        f"{label}: {f'not delivered: {problem}' if problem else 'delivered'}"
        for label, problem in outcomes.items()
    ]
    if as_json or lines:
        Output(as_json).result(document, "\n".join(lines))
    raise typer.Exit(1)


def _wait_until_gone(store: "Store", every_s: float, stop: threading.Event) -> bool:
    """Wait until the engine is gone, or its store cannot be read; False: ``stop`` was set before."""
    from firstwatch.engine.host.pulse import Pulse
    from firstwatch.engine.host.service_manager import ALIVE, notify
    from firstwatch.store import hosts
    from firstwatch.trading.clock import SystemClock

    clock, pulse = SystemClock(), Pulse()
    while True:
        try:
            with store.read() as session:
                host = hosts.current_host(session)
        except StoreError:
            host = None
        heartbeat_ms = None if host is None else host.heartbeat_ms
        if pulse.is_gone(heartbeat_ms, clock.now_ms(), time.monotonic()):
            return True
        notify(ALIVE)
        if stop.wait(_DOUBTFUL_S if pulse.is_doubtful else every_s):
            return False


def _sentence(settings: "Settings", store: "Store") -> str:
    """Return a sentence on the engine, and on the runs and wallets that it has left unmanaged."""
    from firstwatch.engine.lock import presence
    from firstwatch.store import hosts, runs
    from firstwatch.store.runs import DamagedRun
    from firstwatch.trading.clock import iso
    from firstwatch.trading.runs import Exposure
    from firstwatch.trading.text import counted

    damaged: list[DamagedRun] = []
    try:
        with store.read() as session:
            host = hosts.current_host(session)
            active = runs.active_runs(session, damaged=damaged)
    except StoreError as error:
        return f"The store of the engine cannot be read: {error}"
    state = presence(settings.home, None).sentence
    if host is not None:
        state = f"{state}; the last heartbeat is of {iso(host.heartbeat_ms // 1000 * 1000)}"
        if host.has_let_go:
            state += ", when it was stopped"
    held = sum(run.facts.exposure is not Exposure.FLAT for run in active) + len(damaged)
    count = counted(len(active) + len(damaged), "active run")
    return (
        f"{state[0].upper()}{state[1:]}. {count}, {held} with a position or one that is not known: stops "
        "that rest at the venue stay, and no program looks after them. Start the engine: firstwatch engine"
    )


def _alert(addresses: "tuple[Address, ...]", sentence: str, stop: threading.Event) -> dict[str, str]:
    """Send to each address, in three tries at most; return by label why one was not delivered."""
    from firstwatch.engine.alerts.message import Message, MessageKind, titled
    from firstwatch.engine.alerts.sending import Sender
    from firstwatch.engine.host.service_manager import ALIVE, notify

    message = Message(titled("NO ENGINE"), sentence, MessageKind.FAILURE)
    sender = Sender()
    problems = dict.fromkeys(addresses, "not tried")
    for pause_s in _PAUSES_S:
        waiting = [address for address, problem in problems.items() if problem]
        if not waiting or stop.wait(pause_s):
            break
        notify(ALIVE)
        found = sender.send([(address, message) for address in waiting])
        problems |= dict(zip(waiting, found, strict=True))
    return {address.label: problem for address, problem in problems.items()}
