"""Making the baseline of a launch, in a process of its own.

In reading order: ``making`` (how far it is, in a small file that the screen's manager reads), ``maker``
(candles, backtest, saving), ``process`` (the process, and how it is started and ended).

One baseline is made at a time in a data folder. The process is niced, and ends as soon as it is asked to;
what it has not finished is not there.
"""
