"""Reconciliation beside the runs: each task has its own thread, and its requests come after those of runs.

``finished_runs`` (orders and positions that finished runs left at their venues, rule 9 of
``firstwatch.engine``), ``closing`` (closes the positions of wallets without an active run, rule 29), ``bars``
(rereads bars of active runs an hour later), ``wallets`` (balances and key permissions of live wallets, for
the screen), ``periodic`` (the thread that each of them runs in).
"""
