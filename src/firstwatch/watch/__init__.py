"""The first watch: does a live run do what its backtest promised?

In reading order: ``baseline`` (what a run is compared with: saved, found again, called stale), ``windows``
(the core played afresh on every day of the baseline), ``changes`` (altered days, for what can be seen),
``joint`` (all those days as a measure, and a live day judged by it), ``recipe`` (what is locked before the
first order, and the tables that it gives); ``fill_sequence`` (one confidence sequence over all fills),
``fill_prices`` (what fills cost, against the backtest's own), ``costs`` (fees and funding), ``edge`` (the
Sharpe ratio, over weeks), ``since_start`` (all days together), ``tuning`` (signs and hints of what to
adjust); ``record`` (what a run saw, decided and was given, from the store), ``shadow`` (the core on the run's
own bars), ``parity`` (what differs from it, with causes), ``identity`` (where the PnL differs), ``follow``
(these through readings and restarts); ``locking`` (a launch's recipe, and its way back to a baseline),
``promise`` (what a baseline promises beside its days), ``day`` (what a run did at each close of a day, and
what was lost of it), ``run_tuning`` (the signs of one run, from the store), ``report`` (verdicts, sentences,
what to do next), ``calibrator`` (tables, one after the other), ``run_watch`` (one run through its days),
``process`` (all runs, turn by turn); ``rolling`` (true and altered days judged on an operator's own candles)
and ``claim`` (whether the promise holds there).

Imports ``backtest``, ``store``, ``market``, ``strategy`` and ``trading``. Of ``venues`` only the
registry, and the settings. No engine; one thread, the ``calibrator``'s.

1. A live day is compared with days of the baseline on which the core itself was run afresh, with the run's
   own settings. Nothing of a day is cut and joined to another.
2. Of 100 true first days the joint checks may call 4 ``DIVERGED``, all looks and statistics together, with
   the baseline's own error in the reference; ``rolling`` measures how many they do on days that come later.
3. What decides is locked before the first order: a recipe with a hash. The same recipe gives the same bits;
   no BLAS routine is in it.
4. What cannot be seen yet is said: a check has enough data once a change of its own is seen with a power of
   50 %, and no green light is given before.
5. Of 100 true days at most one is called ``DIVERGED`` by fill prices: one sequence over all fills, whose
   level is proven for fills of at most the noise that was set, whatever their distribution.
6. The conditional shadow is the decision core with the run's bars and, in the order in which the run booked
   them, its fills and payments. What it decides at a close the run must decide: no statistic is involved.
7. A decision or an exit that only one of them has is a mismatch, with a cause from the run's journal. One
   that the journal does not explain is a defect of the program, and ``DIVERGED`` at once.
8. Stops are triggered by the mark, and candles are trades: an exit that only one of the two explains has the
   cause ``mark price``.
9. The free shadow has simulated fills at the costs that the baseline assumes. Between its PnL and the run's,
   which is the ledger's equity and never a sum of trades, the accounting identity leaves a residual: above
   1e-6 of the capital it is money without an explanation. So is what the wallet gains beyond the ledger.
10. The state of a follower is JSON. What it finds does not depend on when it was read or restarted.
11. A baseline is candles, market, costs and settings, not only figures: its backtest can be done again. It is
   reused while its key is equal, and stale after 30 days or when the version of the core has changed.
12. A verdict is ``DIVERGED`` before ``WATCH`` before ``CONSISTENT``; where there is not enough data it says
    so. ``DIVERGED`` stays for its day. The run's is its worst check's, the edge left out; it is
    ``CONSISTENT`` only with signal parity and one of trade frequency and drawdown.
13. Each further day is a watch of its own, begun 24 hours after the last: counts and equity from its begin,
    against windows that were fresh a day before. A run that began with a position is watched from its exit.
14. No look is made inside of time lost, and the windows get the same minutes. From a pause on that the run's
    own guards did not choose, the joint checks keep what they had until the next day.
15. The watch reads the store and writes its own rows, one alarm a day, and a command where the launch says
    so. The engine alone acts. All that the watch remembers can be read again: a new process catches up.
"""
