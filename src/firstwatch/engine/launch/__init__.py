"""Launching a run: its facts, its checks, and what happens to a position that the wallet holds.

In reading order: ``facts`` (what a launch is judged by, and what a check is), ``outcome`` (its first entry,
and what differs from its baseline), ``compared`` (a stored backtest as that baseline), ``checks`` (the list
``CHECKS``), ``adoption`` (the cases of "Assume position now"), ``gather`` (asks the store and the venue for
the facts).

Rules 1 to 5 of ``firstwatch.engine``. Only ``gather`` does input or output: a check is a function of the
facts, so that a preview and a start cannot disagree.
"""
