"""Reads candle files of other programs, each to the same columns of numbers.

In reading order: ``container`` (the bytes of a file, out of gzip or zip), ``json_rows`` (a JSON list of
rows), ``arrow`` (Parquet and Feather, by the extra ``arrow``), ``columns`` (picks the reader for a file).

The format is detected by the first bytes of a file, never by its name.
"""
