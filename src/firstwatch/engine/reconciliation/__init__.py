"""What is reconciled beside the runs, each in a thread of its own, behind the requests of runs.

``finished_runs`` (orders and positions that finished runs left at their venues, rule 9 of
``firstwatch.engine``), ``closing`` (of what a wallet holds without a run, rule 29), ``bars`` (those of active
runs, an hour later), ``wallets`` (balances and key permissions of live wallets, for the screen), ``periodic``
(the thread that each of them runs in).
"""
