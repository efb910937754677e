"""The paper venue: real or invented candles, play money, and the order rules of a live venue.

In reading order: ``settings``, ``assembly`` (makes a venue from them), ``venue`` (the protocol, bars in
phases), ``exchange`` (the matching engine: pure), ``account``, ``bars``, ``books`` (persistent state, in the
store), ``faults`` (simulated faults, if the settings ask for them).

1. A bar is released in phases, in the order of rules 8 to 11 of ``firstwatch.strategy``. The feed goes on
   when every subscriber has acknowledged a phase, so a run is never late and a replay is the same each time.
2. Prices, fees, funding and liquidation are the decision core's own functions: a backtest and a paper run of
   the same candles make the same trades.
3. An event is in the books before a subscriber receives it: after a crash the venue continues from there.
"""
