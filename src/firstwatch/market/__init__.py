"""Market data that does not come from a live venue: candle files, funding rates, invented markets, sessions.

In reading order: ``table`` (parses text to columns of numbers, each mistake with its line), ``formats``
(reads files of other programs to the same columns), ``files`` (candles and funding rates), ``cache`` (parsed
files kept as arrays), ``packed`` (candles in one compact file, and those of baselines), ``archive`` (candles
that are recorded and imported), ``funding``, ``assumed`` (the market of a file that no venue describes),
``synthetic`` (an invented market), ``feeds`` (what a paper venue replays, and how fast),
``exchange_hours`` (the hours of an exchange, found in a process of its own) and ``exchange_calendar`` (that
process), ``sessions`` (trading hours), ``launch_files`` (the small TOML files of a launch).

Imports only ``strategy`` and ``trading``. No store, no venue, no thread.

1. A file of any format is read whole or refused with the lines of its first mistakes. Nothing is repaired.
2. A missing bar is not a mistake: it did not trade. Holes are reported with their line and length.
3. A funding time is the one at which it is due: a stamp of up to 2 s after a full minute means that minute.
   Rates beyond those of any venue, or that cover none of the candles, are refused.
4. Without a market file, tick and amount step follow from the prices, the symbol from the file's name; each
   assumption is a note of the result. A tick above 0.1 % of the price, or above a tenth of the smallest
   distance of a stop or target, is refused.
5. A session window follows the wall clock of its time zone: in a night that skips an hour a window in that
   hour does not exist, in a night that repeats one it comes twice. What it allows: rule 25 of
   ``firstwatch.strategy``.
6. A bar of the archive never changes. The same imports in any order give the same archive; a bar offered with
   different numbers is reported and ignored.
"""
