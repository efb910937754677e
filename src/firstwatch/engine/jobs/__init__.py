"""Jobs, each in a process of its own, niced: ``inputs`` (what a test asks for, read), ``backtest`` (the
work), ``process`` (how it is started).

A job is a row before it is a process. One works at a time in a data folder, the others wait. A job whose
process is gone without a result has failed.
"""
