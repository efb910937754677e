"""The backtest: an algorithm on candles, decided by the same core as a live run.

In reading order: ``settings`` (the launch settings that apply), ``inputs`` (of a test, as asked for and as
read), ``simulate`` (a backtest), ``tester`` (many on the same candles), ``prepared`` (what they share),
``series_memory`` (series computed once), ``compiling`` (when the core is compiled), ``cache_folder`` (where
both are kept), ``replay`` (passes of the core over the bars, whole or in parts), ``record`` (trades as plain
numbers), ``metrics`` (figures of a backtest or a live run), ``notes`` (assumptions, and decisions that the
core did not carry out), ``mean_test`` and ``review`` (what to hold the figures against, and when it went
badly), ``comparison`` (results side by side), ``result_json`` (the shapes that ``--json`` prints),
``baseline`` (the inputs of a saved one, and their key).

On top of many tests: ``holdout`` (what no search sees), ``trial``, ``optimisation`` (a search for better
numbers), ``study_figures`` (what its winner is worth), ``sharpe_ratio`` and ``overfitting`` (how sure a ratio
is, also after a search), ``cross_validation`` (rolling folds), ``usefulness`` (of each condition).

Imports ``market``, ``strategy`` and ``trading``. No store and no venue: it computes in memory, the caller
saves.

1. Decisions and simulated fills follow rules 1 to 27 of ``firstwatch.strategy``. A bar that cannot change the
   core's state is not played; the result is the same. So is that of the compiled core, to the bit.
2. Ratios use daily returns by UTC day, from equity marked at every close; a day without a bar counts as
   unchanged. An annualised ratio needs 30 days. A figure that is not defined is None, never infinite.
3. Notes say what the figures do not show: assumptions about the market, time without funding rates, entries
   refused or reduced, levels dropped, guards and chains that ended the test.
"""
