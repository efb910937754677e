"""Jobs: heavy work, each in a process of its own, niced.

In reading order: ``kinds`` (the table of kinds), ``context`` (what the work gets, and a kind), one module per
kind: ``backtest``, ``baseline``, ``calibration``, ``optimisation`` with ``studies`` (their rows) and
``searched`` (what trials share), ``cross_validation``, ``usefulness`` (both saved by ``analyses``);
``inputs`` (what a test asks for, read), ``executors`` (workers), ``locks`` (who works on a job), ``looking``
(jobs as they are, cancelling), ``process`` (starting, resuming, and the process itself).

1. A job is a row before it is a process: what is asked for, how far it is, its result. Parts that it has
   finished are rows too, where it can be resumed from them.
2. A process holds the job's lock from before the row is seen until it ends. A job that is open and whose lock
   is free has failed, and can be resumed.
3. Long jobs work one at a time in a data folder, and so do short ones beside them, so that a backtest does
   not wait for an optimisation. They begin in the order in which they came.
4. A cancel is a mark in the row. The process looks for it, and its work ends where it is, by an error.
5. Results do not depend on how many workers there are, or where.
"""
