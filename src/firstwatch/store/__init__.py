"""The store: persistent state is a row here before the program acts on it. Engine and screen meet only here.

In reading order: ``tables`` (the whole schema), ``database`` (opening, transactions), ``writer`` (the one
Writer) and ``turn`` (its lock), ``changes`` (signals that the store has changed), then one module per noun
that reads and writes its rows and returns frozen views: ``runs``, ``journal`` (events and checkpoint),
``orders``, ``fills``, ``positions``, ``trades``, ``bars``, ``equity``, ``alarms``, ``alerts`` (alarms sent to
addresses), ``live``, ``outlooks``, ``commands``, ``hosts``, ``wallets``, ``wallet_status``,
``wallet_orders``, ``algorithms``, ``backtests``, ``studies``, ``analyses``, ``drafts``, ``watch``,
``agents``, ``jobs``, ``test_results``, ``paper``. Beside them ``prepared`` (statements of every step),
``types``, ``rows``, ``packing``, ``curves`` (values in columns), ``schema``, ``migrating`` and ``migrations``
(older stores), ``inspection``, ``pruning``, ``files``.

Imports only ``trading``. No call to a venue is made inside a transaction.

1. SQLite in WAL mode. One Writer per process: all write transactions pass one lock in order of arrival. A
   transaction is ``BEGIN IMMEDIATE`` and short. Its block ends when the disk has it: the Writer waits for
   that without the lock, once for all that were committed meanwhile. Play money, heartbeats and a run's
   steps upon which nothing is sent do not wait: what depends on them is written after them, and does. Reads
   use separate read-only connections and see one unchanging view.
2. A decision, the order that follows and its journal row are one transaction, together with the checkpoint.
3. An engine's transaction checks its epoch: after another engine has claimed the store, nothing more is
   written. Neither is a store whose file was removed or replaced.
4. Money is canonical decimal text, never summed or ordered in SQL. Times are integer milliseconds, UTC.
5. Journal payloads are versioned models of ``trading``; a reader accepts all older versions. A run's state is
   the fold of its journal plus one checkpoint row.
6. A row that cannot be read raises ``DamagedRowError``; lists still hold the other rows.
7. Figures that change all the time (mark, open PnL, age of data) are one row per run, written for all runs of
   a host at once, at most once a second. The outlook of a run is another, written with each close.
8. Migrations go forward only, after a backup, under the engine lock, before any run.
9. Nothing is packed or removed of a run that is active or exposed, or that has an open order or an alarm.
10. Everything that the screen shows is a row. A run's bars are written in the transaction of the step that
    handled them, play money in the transaction that moves it.
"""
