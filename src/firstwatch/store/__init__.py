"""The store: what must survive is a row here before it is an act. It is the bus between engine and screen.

In reading order: ``tables`` (the whole schema), ``database`` (opening, transactions), ``writer`` (the one
Writer), ``changes`` (the store has changed: read again), then one module per noun that reads and writes its
rows and hands out frozen views: ``runs``, ``journal`` (events and checkpoint), ``orders``, ``fills``,
``positions``, ``trades``, ``equity``, ``alarms``, ``live``, ``commands``, ``hosts``, ``wallets``,
``algorithms``, ``backtests``, ``paper``. Beside them ``types``, ``rows``, ``packing``, ``curves`` (how values
stand in a column), ``schema``, ``migrating`` and ``migrations`` (older stores), ``inspection``, ``pruning``,
``files``.

Imports only ``trading``. No call to a venue is made inside a transaction.

1. SQLite in WAL mode. One Writer per process: all write transactions pass one lock in order of arrival, and
   those that wait share one commit. A transaction is ``BEGIN IMMEDIATE``, ``synchronous = FULL``, short.
   Reads have read-only connections of their own and see one unchanging view.
2. A decision, the order that follows and its journal row are one transaction, together with the checkpoint.
3. An engine's transaction asserts its epoch: after another engine has claimed the store nothing more is
   written. A store whose file was removed or replaced is not written either.
4. Money is canonical decimal text, never summed or ordered in SQL. Times are integer milliseconds, UTC.
5. Journal payloads are versioned models of ``trading``; a reader accepts all older versions. A run's state is
   the fold of its journal plus one checkpoint row.
6. A row that cannot be read is an error of its own (``DamagedRowError``); the other rows are listed.
7. Figures that change all the time (mark, open PnL, age of data) are one row per run, written for all runs of
   a host at once, at most once a second.
8. Migrations go forward only, after a backup, under the engine lock, before any run.
9. Nothing is packed or removed of a run that is active or exposed, or has an open order or an alarm.
"""
