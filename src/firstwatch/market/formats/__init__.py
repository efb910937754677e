"""Candle files of other programs, each to the same columns of numbers.

In reading order: ``container`` (the bytes of a file, out of gzip or zip), ``json_rows`` (a JSON list of
rows), ``arrow`` (Parquet and Feather, by the extra ``arrow``), ``columns`` (which of them a file is).

A file is known by its first bytes, never by its name.
"""
