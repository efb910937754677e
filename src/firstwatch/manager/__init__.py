"""Between screen and engine: commands go in, snapshots come out. It also runs the engine in this process.

In reading order: ``manager`` (commands, snapshots, the thread), ``snapshot``, ``views`` and ``run_views``
(what it consists of: of all runs, and of the selected one), ``lists`` (its runs, wallets, algorithms and
alarms), ``details`` (those of the selected run) and ``renewed`` (rows that have changed), ``trade_story`` and
``lineage`` (one trade, and a run's parent, when they are asked for), ``day_equity`` and ``names`` (curves
and short ids of the list), ``command_views``, ``alarm_views``, ``algorithm_views``, ``market_views``,
``watch_views``, ``row_views``, ``journal_text``, ``story``, ``why``, ``run_metrics``, ``same_time``,
``operands``, ``performance`` and ``away`` (parts of the views), ``exports`` and ``export_files`` (a run as
tables for other programs), ``engine_control`` (the engine of this or another process), ``wallet_service``
and ``wallet_views`` (work on live wallets), ``job_service`` (heavy work in processes of its own),
``baseline_service`` (baselines), ``test_views``, ``test_setup``, ``draft_document``, ``test_requests``,
``test_reader`` and ``test_service`` (Test mode: its views, the settings of tests, a draft as a document,
what is asked for, what was found, and the work), ``build_views``, ``algorithm_entries``,
``algorithm_text``, ``text_completion`` and ``build_service`` (Build mode: its views, the list of
algorithms, a text as it is typed, how it can go on, and the work), ``external_editor`` (the operator's own
editor), ``preview_service``, ``preview_messages``, ``preview`` and ``preview_process`` (what a text means
on candles, computed in a process of its own), ``agent_service`` and ``agent_plans`` (what agents want done,
and the operator's answers), ``agent_reads`` (what agents read that no snapshot holds).

Imports ``engine`` and below; no Textual and no ccxt.

1. A command is a row with an expiry. The engine accepts it and writes the outcome to the same row. A screen
   that is attached to another process's engine works the same way.
2. A snapshot is made from the store only. It is frozen, comes at most ``refresh_hz`` times a second, and has
   details only of the selected run. None in it means that the store does not know the value.
3. The manager notices changes of the store within 50 ms, by any process (``store.changes``).
4. Only the screen takes the engine when no process holds it; a single command never does. After
   ``engine stop`` no process takes it again by itself.
"""
