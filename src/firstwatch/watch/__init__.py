"""The first watch: does a live run do what its backtest promised?

In reading order: ``baseline`` (the backtest that a run is compared with: saved, found, stale), ``windows``
(the decision core run anew on each day of the baseline), ``changes`` (altered days, to measure power),
``joint`` (the calibration from those days, and a live day judged by it), ``recipe`` (its inputs, locked
before the first order, and the tables made from them); ``fill_sequence`` (one confidence sequence over all
fills), ``fill_prices`` (costs of fills against the backtest's), ``costs`` (fees and funding), ``edge`` (the
Sharpe ratio, over weeks), ``since_start`` (all days together), ``tuning`` (signs and hints of what to
adjust), ``weakest`` (the condition of least use); ``record`` (a run's bars, decisions and fills, from the
store), ``shadow`` (the core on the run's own bars), ``limit_gap`` (what filled of limit entries, beside the
backtest's rule), ``parity`` (what differs from it, with causes), ``identity`` (where the PnL differs),
``follow`` (these across readings and restarts); ``locking`` (a launch's recipe, and the baseline that it
names), ``promise`` (the fill prices, costs and edge of a baseline), ``day`` (a run at each close of a day,
and the time lost), ``run_tuning`` (the signs of one run, from the store), ``report`` (verdicts, sentences,
what to do next), ``calibrator`` (computes tables, one after the other), ``run_watch`` (one run through its
days), ``process`` (all runs, turn by turn); ``rolling`` (true and altered days judged on an operator's own
candles) and ``claim`` (whether the promised rate of false alarms holds there).

Imports ``backtest``, ``store``, ``market``, ``strategy`` and ``trading``. Of ``venues`` only the
registry, and the settings. No engine; one thread, the ``calibrator``'s.

1. A live day is compared with days of the baseline on which the core itself was run anew, with the run's
   own settings. Parts of different days are never joined.
2. Of 100 true first days the joint checks may call 4 ``DIVERGED``, over all looks and statistics together and
   with the baseline's sampling error included; ``rolling`` measures the rate on days that come later.
3. All inputs of a verdict are locked before the first order: a recipe with a hash. The same recipe gives the
   same bits; no BLAS routine is used.
4. A check has enough data once it would detect one of its changes with a power of 50 %. Before that it says
   so, and is never ``CONSISTENT``.
5. Of 100 true days at most one is called ``DIVERGED`` by fill prices: one sequence over all fills, whose
   level is proven for fills with at most the noise that was set, whatever their distribution.
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
14. No look is made inside time lost, and the windows lose the same minutes. After a pause that the run's own
    guards did not cause, the joint checks keep their last result until the next day.
15. The watch reads the store and writes its own rows, one alarm a day, and a command where the launch says
    so. The engine alone acts. All that the watch remembers can be read again: a new process catches up.
"""
