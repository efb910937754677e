"""Launching a run: facts, checks, and the treatment of a position that the wallet already holds.

In reading order: ``facts`` (inputs of the checks, and the types of a check), ``outcome`` (the first entry,
and differences from the baseline), ``compared`` (a stored backtest as that baseline), ``checks`` (the list
``CHECKS``), ``adoption`` (the cases of "Assume position now"), ``gather`` (asks the store and the venue for
the facts).

Rules 1 to 5 of ``firstwatch.engine``. Only ``gather`` does input or output: a check is a function of the
facts, so that a preview and a start cannot disagree.
"""
