"""Makes the baseline of a launch, in its own process.

In reading order: ``making`` (its progress, in a small file that the screen's manager reads), ``maker``
(candles, backtest, saving), ``process`` (the process, and how it is started and ended).

One baseline is made at a time in a data folder. The process is niced, and ends as soon as it is asked to; an
unfinished baseline is not saved.
"""
