"""A watch whose calibrations stop half-way, and say so: ``python -m tests.watch.halting FILE``.

The baseline's days are played by then, and no table is made of them. ``FILE`` is there from that moment on.
"""

import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from firstwatch.engine.host import watch_daemon
from firstwatch.watch import recipe


def halt(*_: Any, **__: Any) -> NoReturn:
    Path(sys.argv[1]).touch()
    while True:
        threading.Event().wait()


if __name__ == "__main__":
    recipe.make_tables = halt
    sys.exit(watch_daemon.main())
