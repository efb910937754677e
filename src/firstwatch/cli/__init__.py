"""The command line: the composition root. Each command imports what it needs when it is called.

In reading order: ``guard`` (around every command), ``commands`` (all of them), ``screen``, ``output``,
``options``, ``folder``, ``files``, ``secrets``, ``names``, ``editor`` and ``waiting`` (shared parts), then
one module per command: ``algorithms``, ``wallets`` and ``live_wallets``, ``runs`` with ``launch_options``
and ``run_json``, ``backtest``, ``crossvalidate``, ``usefulness``, ``optimise`` and ``calibrate`` with
``backtest_options`` and ``review_text``, ``compare``, ``baseline``, ``jobs``, ``candles``, ``report`` with
``report_text`` and ``report_html``, ``export``, ``events``, ``engine``, ``alarms``, ``alert``,
``watchdog``, ``agent``, ``mcp`` with ``mcp_token`` and ``mcp_install``, ``doctor`` with ``canary``,
``prune``, ``demo``.

To add a command: a function in the module of its group, or in a module of its own that ``commands`` names.
What the engine is to do for it is a class in ``trading.commands``.

Imports every other package; none imports this one. A heavy library (Textual, SQLModel, ccxt) is imported in
the command that needs it, so that start-up stays fast.

1. Every command takes ``--json``. Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused by a check.
2. Every failure is one sentence; a traceback goes to ``commands.log`` in the data folder.
3. A secret comes from a descriptor, a file that the environment names, or a hidden prompt; never from an
   argument.
4. Commands that need an engine go through the manager, which starts one, says where it is, and writes a
   command only if one accepts it: the screen, ``demo``, ``engine``, ``status``, ``alarms``, ``wallet close``,
   ``agent approve`` and every ``run`` command that starts or changes a run. Everything else works without
   an engine and opens the store itself: ``run list``, ``show`` and ``follow``, ``report``, ``export``,
   ``events``, ``algorithm``, ``backtest``, ``calibrate``, ``baseline``, ``job``, ``candles``,
   ``mcp token``, ``doctor``, ``prune``, the rest of ``agent``, and the rest of ``wallet``, which does its
   work by ``wallets.custody`` as the manager does for the screen.
"""

import gc
import os
import sys


def main() -> None:
    """Run the command line; a failure is a sentence and an exit code, never a traceback."""
    # Start-up makes no garbage: see ``screen``.
    gc.disable()
    # No pydantic plugin of another package may see foreign data; looking for plugins costs 10 ms.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from firstwatch.cli.guard import run_guarded

    sys.exit(run_guarded(lambda: _run(sys.argv[1:])))


def _run(words: list[str]) -> object:
    if words in ([], ["--read-only"]):
        # The parser and the commands are a tenth of the time until the screen's first paint.
        from firstwatch.cli.screen import open_screen

        return open_screen(is_read_only=bool(words))
    gc.enable()
    from firstwatch.cli.commands import app

    return app(standalone_mode=False)
