"""The process that sends one message (``python -m firstwatch.engine.host.alert_process``).

Reads a request as JSON from standard input and prints as JSON why it was not delivered; an empty text: it
was. The address comes through the pipe, so process lists do not show it.
"""

import json
import logging
import os
import re
import signal
import sys
from typing import Any

from firstwatch.engine.alerts.sending import SEND_WITHIN_S
from firstwatch.engine.host.process import keep_private
from firstwatch.engine.niceness import NICENESS

_STATUS = re.compile(r"error=(\d{3})\b")
"""HTTP status in apprise's log."""
_NOT_UNDERSTOOD = "apprise does not understand the address: its scheme is not known, or a part is missing"
_NO_CONNECTION = "no connection, or no answer"


class _LastStatus(logging.Handler):
    """Keeps only the last HTTP status of apprise's log: the rest may contain the address."""

    status = ""

    def emit(self, record: logging.LogRecord) -> None:
        if found := _STATUS.search(record.getMessage()):
            self.status = found[1]


def main() -> None:
    """Send the message of the request."""
    keep_private()
    # In its own session only: beside busy programs an alarm would come minutes late, or never.
    os.nice(NICENESS)
    # SIGALRM ends the process, even while a library waits or after the engine was killed.
    signal.alarm(SEND_WITHIN_S)
    try:
        problem = _send(json.load(sys.stdin))
    except Exception as error:
        # Its text may contain the address.
        problem = f"apprise failed: {type(error).__name__}"
    print(json.dumps(problem), flush=True)  # noqa: T201
    # Apprise may have left a blocked thread.
    os._exit(0)


def _send(request: dict[str, str]) -> str:
    """Send the message and return why it was not delivered; without one, only check the address."""
    import apprise

    log, last = logging.getLogger("apprise"), _LastStatus()
    log.propagate = False
    log.addHandler(last)
    service: Any = apprise.Apprise(asset=apprise.AppriseAsset(app_id="firstwatch"))
    if not service.add(request["url"]):
        return _NOT_UNDERSTOOD
    if "body" not in request:
        return ""
    kind = apprise.NotifyType(request["kind"])
    if service.notify(request["body"], title=request["title"], notify_type=kind, body_format="text"):
        return ""
    return f"it has answered with HTTP {last.status}" if last.status else _NO_CONNECTION


if __name__ == "__main__":
    main()
