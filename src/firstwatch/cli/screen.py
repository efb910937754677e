"""The screen as a command."""

import gc

from firstwatch.cli.output import say


def open_screen(*, is_read_only: bool) -> int:
    """Open the screen on this data folder, and return its exit code when it is left.

    ``is_read_only``: it changes nothing and holds no engine.
    """
    # Start-up makes no garbage, and collecting would take a seventh of the time until the first paint.
    # The screen enables it again after that.
    gc.disable()
    from firstwatch.settings import load_settings
    from firstwatch.tui.app import run_screen

    end = run_screen(load_settings(), is_read_only=is_read_only)
    if end.farewell:
        say(end.farewell)
    return end.exit_code
