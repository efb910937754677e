"""Algorithms and their decisions, bar by bar: one set of rules for backtest, paper and live.

In reading order: ``specification`` (one version of an algorithm), ``groups`` (its conditions), ``language``
and ``conditions`` (parse one line of text to a typed condition), ``functions``, ``function_table`` and
``indicators`` (TA-Lib), ``candles`` and ``aggregate`` (bars and higher bars), ``evaluation`` (conditions over
arrays) and ``stream`` (the same bar by bar), ``core_settings``, ``core_state``, ``core_prices`` and ``core``
(the decisions), ``core_replay`` (simulated fills), ``core_loop`` (a pass over candles), ``core_notes`` (what
the core did not do, in sentences), ``compiled`` (the core as machine code), ``outlook`` (conditions that
would have to become true next), ``parameters`` (an algorithm's numbers by their place, to vary them),
``templates`` (algorithms to begin with), ``differences`` and ``difference_words`` (what differs between two
versions, by meaning).

Pure: only ``trading`` may be imported, and no store, venue, thread, clock or file. ``indicators`` alone
imports TA-Lib, ``compiled`` alone numba, with a folder of the caller's. The modules ``core``,
``core_prices``, ``core_replay`` and ``core_loop`` use only int, float, bool, ``if`` and ``math``, so that
they can be compiled.

The rules. Times are UTC; a side is long or short, and what holds for a long holds for a short with high and
low exchanged. E is the run's equity (rule 17). Rules 8 to 10 are the venue's part, simulated in a backtest.

Bars and conditions

1.  A bar opens at t and covers [t, t + its length). Only closed bars are evaluated, each once, in order. All
    fills up to a bar's close are booked before it is decided; a fill belongs to the bar of its venue time.
2.  A bar in which nothing traded does not exist: counters and indicators count existing bars.
3.  A higher timeframe is a multiple of the algorithm's own, aligned to UTC midnight. A higher bar counts as
    closed once a base bar ends with it or after it; an incomplete first one is not used. Nothing looks ahead.
4.  A live run starts with max(1,000, 10 x the longest period) bars of each timeframe or more. A function
    whose value depends on where history starts (on-balance volume, a cumulative sum) is refused beside a
    number and in arithmetic, and allowed against a transform of itself or in a cross, with a warning.
5.  A version of an algorithm is one immutable specification: direction, timeframe, entry and exit groups,
    stop, target, sizing, entry order, reset. Its canonical JSON and the SHA-256 of that are stored.
6.  A condition compares two operands: a number, a price field, an output of a TA-Lib function, on any higher
    timeframe, or arithmetic of such (``close > ema(20) + 2 * atr(14)``), each as seen at the base close. A
    division by zero, an overflow, and what is computed of a missing value have no value.
    ``a crosses above b`` at close i means ``a[i-1] <= b[i-1] and a[i] > b[i]``. ``not`` negates the condition
    behind it. Without a value of an operand, in a cross at close i - 1 too, a condition is not true, negated
    or not. A group is true when all of ``required``, if there are any one of ``optional``, and if it is there
    ``when`` are true: a tree ``{any = [...]}``, ``{all = [...]}`` or ``{at_least = n, of = [...]}`` of
    conditions and of such trees. It is false only when every operand has a value.
7.  A side is armed once its entry group was false at a close, and stays armed. It is *met* when it is armed
    and its group is true. A backtest starts at the first bar at which every operand has a value.

One bar, in this order

8.  Open. Funding due exactly at t is paid on the position held before. Then orders decided at the last close
    execute at the open, slippage against the trade.
9.  Open against protection. L is the nearer of stop and liquidation price. An open at or beyond L exits at
    the open, the loss capped at the margin; else an open at or beyond the target exits at the target. On
    the bar of the entry, and of every further fill at the open, the target waits for rule 10, and a level
    that the entry's own slippage has passed executes at the open at once.
10. Range against protection, on the bar of the entry too. A range that reaches L exits at L; else one that
    reaches the target exits at the target: inside one bar the stop wins. A stop pays slippage and the taker
    fee, a target the maker fee at exactly its price, a liquidation costs the margin that is left.
11. Close. Funding due inside the bar is paid at the close. A trailing stop ratchets: ``best`` takes the bar's
    high, and the stop moves up to ``best`` less its distance, at closes only. One that would lie at or beyond
    the close does not move: the position is closed at market, for the reason of the level that stands.
12. Close, exits. In this order: the stop of rule 11, the session (rule 25), a guard (rule 18), the signal. An
    exit never turns into the opposite position at once: RESET comes between.
13. Close, entries, when FLAT or when RESET ends at this close. One allowed side met: enter. Both: RESET with
    the cause ``ambiguous``, left when exactly one is met (enter it) or none is.

Prices, sizes and money

14. Levels are measured from the average entry price, again at each further fill, and rounded to the tick
    toward the price that they are measured from. ``best`` starts at the entry price; the extreme of the
    entry's bar counts only when the entry filled at that bar's open. The ATR of a level is the one at the
    decision and stays for the trade. A level that would lie beyond zero is dropped, with a note.
15. Size. The sizing value is multiplied by the link's ``size_factor``. Margin is ``fixed``, or ``equity`` x
    E, at most ``E / (1 + leverage x (taker fee + 0.005))``; the amount is margin x leverage / price, in whole
    steps, rounded down. With ``risk`` the amount is ``risk`` x E / stop distance, under the same cap. Below
    the market's minimum an entry is refused, which is noted once until its group was false. E at or below
    zero: no entry. Live, E counts as no more than the wallet holds.
16. A limit entry lies ``offset_bps`` from the close, rounded away from it to the tick. It rests for
    ``timeout_bars``: an open at or beyond it fills at the open (taker), a price strictly beyond it fills at
    the limit (maker). What a price that only touches it fills is an assumption of a test: nothing
    (``through``, the usual one), all (``touch``) or at most 1 - q of the bar's volume (``queue:q``); the rest
    rests on. At the last close it is cancelled and the rest goes to market at the next open, unless the rest
    of a part that has filled is below the market's minimum. A true exit group, or a pause of entries, cancels
    it. On the bar of a fill at the limit the stop is tested against the whole range, the target is not, and
    the extreme of the entry's bar does not enter ``best``.
    An entry in slices (``twap``) is shared among the opens of ``bars`` bars: equal whole steps, the rest in
    the last, in fewer slices where one would lie below the minimum. Each is decided at a close and sent at
    market. None is larger than what cash less the position's margin allows, by the formula of rule 15; what
    is cut off, and what a slice does not fill, is dropped. An exit, a true exit group, a pause of entries
    by whatever cause and the end of the trade or the run cancel what is left. It is one entry (rule 24),
    expected at the average of the closes that decided its slices. Live, a slice that cannot be sent in
    time, is refused or whose outcome is in doubt at the next close cancels what is left.
17. E is capital + realised PnL - fees - funding + unrealised PnL. Liquidation price, s = +1 or -1, m the
    maintenance rate: ``(entry - s x margin / amount) / (1 - s x m)``, the margin less funding paid. Funding:
    ``s x amount x price x rate``, at most what the position is worth. Live, the venue liquidates and pays by
    its own figures.
18. Guards are evaluated at closes: drawdown of E from its peak, loss since the day's first E (UTC), losing
    trades in a row. Each pauses entries (the daily one until the next day, the others until an operator
    resumes) or stops the run with the stop mode that was chosen.
19. The end of the candles drops a pending decision and closes the position at the last close, slippage and
    taker fee included, for ``end_of_data``.

After a trade

20. A trade is one position from flat to flat. Its reason is ``trailing_stop`` once the stop has moved from
    its first value; ``manual``: an operator closed it, here or at the venue; ``run_end``: a stop of the run.
21. Bar 1 of RESET is the bar of the exit. Nothing is decided at closes 1 to ``cooldown_bars``. Then, by mode:
    ``cooldown_only`` goes to FLAT and may enter at that same close; ``regular`` enters the opposite side if
    it is met, else goes to FLAT once the group of the traded side is false; ``strict`` goes to FLAT once the
    groups of all allowed sides are false.
22. A follow-up link replaces cooldown and mode while it is pending: nothing at closes 1 to ``wait_bars``, the
    link alone up to close ``within_bars``, then it lapses and the mode rules, its cooldown counted from bar
    1. A link with ``require_signal`` needs its side's group true, but not armed; one without decides at close
    wait + 1. A link whose entry is below the minimum lapses.
23. An exit is matched by its reason against the next link of the chain; after the last was taken, against the
    last: a match then means that the chain is exhausted (``reset``: it starts over; ``stop_run``: the run
    stops). No match, or a lapse: the chain starts over.

Chosen at launch

24. ``trades_limit`` counts entries, each at its first fill, adopted ones included. At the limit none follows,
    and the run is done when that position is closed.
25. Session. The next pause starts at p. ``pause_entries``: an entry is allowed at a close c in trading time
    with c < p - lead. ``flatten``: allowed if the next bar too ends by p - lead, and the position is closed
    (``session``) at the first close after which it would not. Trading time is that of weekly windows, or of
    an exchange, whose hours are stored with the run or the backtest. The counters of rules 21 and 22 go on;
    an entry that is due in a pause lapses.
26. ``assume_position_now`` off: the run starts flat and unarmed. On, with a position: it is adopted,
    accounted from the mark, its levels from the venue's entry price, ``best`` the mark; a level already
    passed refuses it. On and flat: exactly one side's group true at the last closed bar enters at market at
    once.
27. ``close_position_on_exit`` off: an exit by guard or signal sends no order and alerts once. Stop and target
    at the venue still execute, trailing goes on, and the exit of rule 11 is sent.
"""
