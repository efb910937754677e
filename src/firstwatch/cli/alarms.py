"""``firstwatch alarms``: the active alarms, with what can be done about each."""

from typing import TYPE_CHECKING, Any

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import say, say_json, say_table
from firstwatch.trading.text import counted

if TYPE_CHECKING:
    from firstwatch.manager.views import AlarmView


def alarms(as_json: JsonFlag = False) -> None:
    """List the active alarms: since when, how urgent, what each means, and what can be done about it."""
    from firstwatch.cli.folder import open_manager
    from firstwatch.trading.alarms import meaning_of

    with open_manager() as manager:
        snapshot = manager.snapshot()
    documents = [_document(alarm) for alarm in snapshot.alarms]
    if as_json:
        say_json(documents)
        return
    if not documents:
        say("There is no alarm.")
        return
    say_table(
        ("SINCE", "SEVERITY", "WALLET", "RUN", "TIMES", "SEEN", "ALARM"),
        (
            (
                *(each[name] for name in ("since", "severity", "wallet", "run", "count")),
                "yes" if each["acknowledged"] else "no",
                each["kind"],
            )
            for each in documents
        ),
    )
    for alarm in snapshot.alarms:
        say("")
        say(alarm.sentence)
        if meaning := meaning_of(alarm.topic):
            say(f"  {meaning}")
        for command in _commands(alarm):
            say(f"  {command}")
    seen = len(snapshot.alarms) - len(snapshot.calling)
    if seen:
        say(f"\n{counted(seen, 'alarm')} acknowledged")


def _document(alarm: "AlarmView") -> dict[str, Any]:
    from firstwatch.trading.alarms import kind_of
    from firstwatch.trading.clock import iso

    return {
        "id": alarm.id,
        "kind": kind_of(alarm.topic),
        "severity": alarm.severity.value,
        "run": alarm.run_id,
        "wallet": alarm.wallet,
        "since": iso(alarm.since_ms),
        "count": alarm.count,
        "acknowledged": alarm.is_acknowledged,
        "sentence": alarm.sentence,
        "actions": [action.value for action in alarm.actions],
    }


def _commands(alarm: "AlarmView") -> list[str]:
    """Return the commands that do what can be done about an alarm from a shell."""
    from firstwatch.trading.alarms import UNMANAGED, AlarmAction

    if alarm.topic == UNMANAGED:
        return [f"firstwatch wallet close {alarm.wallet} --yes"]
    words = {AlarmAction.CLOSE: "close", AlarmAction.PAUSE: "pause", AlarmAction.STOP: "stop"}
    named = [words[action] for action in alarm.actions if action in words]
    return [f"firstwatch run {word} {alarm.run_id}" for word in named]
