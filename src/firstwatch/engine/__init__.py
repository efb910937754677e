"""The engine: one per data folder. It holds the lock, recovers runs, and is the only process that trades.

Its packages and modules, in reading order:

- ``core``: what a run does, pure. An input goes in; records to store and effects to perform come out.
- ``launch``: the launch checks, and which position a run adopts.
- ``worker``: the thread of a run: startup and recovery, requests to the venue, storing each step.
- ``jobs``: heavy work such as tests and baselines, each in its own process.
- ``alerts``: sends alarms to the addresses in the settings.
- ``reconciliation``: what finished runs left at their venues, and closing it; rereading bars; balances and
  keys of live wallets.
- ``host``: heartbeat, commands, replacing workers; the engine as a background process.
- ``agent_check`` (whether an agent's act may be done), ``lock`` (the operating system's lock), ``lease`` (the
  right to send), ``venue_registry`` (makes adapters from the settings), ``niceness`` (how other processes
  yield to the engine, and its threads come soon).

Imports point down, ``host`` first and ``core`` last. ``core`` reaches no store, no thread, no clock and no
adapter; of ``venues`` it imports only the protocol. Nothing here imports the manager, the screen or Textual:
the engine never calls the screen.

Launch

1.  A launch is checked by the list ``CHECKS`` of (name, hard or soft, function). A hard check refuses it; a
    soft one that does not pass needs a written reason, which goes to the journal. A check whose facts are
    missing does not pass. The same checks run for a preview and again when the run is started.
2.  A run wallet has at most one active run (``NEW``, ``RUNNING``, ``STOPPING``); the store enforces it. The
    account of a live wallet may hold nothing in another market.
3.  The capital is at most what the wallet has free. The stop, at the ATR of now, lies within 0.8 of the
    distance to the liquidation price. There is history for every indicator.
4.  Without "Assume position now" a position in the symbol refuses the launch; external open orders always do.
    With it, a position is adopted when its side is allowed, it is isolated at the run's leverage, its
    notional is at most capital x leverage, and no level is passed.
5.  Before the first order of a new run on a live venue, its protection is proven: an entry of the smallest
    size, far from the price, and its stop are placed, read back and cancelled. If that fails, the run fails.
    A written reason skips it; an algorithm without a stop, or a venue that takes no stop with an entry, has
    none.

The life of a run

6.  States are moved by ``trading.runs.RUN_TRANSITIONS`` alone. A run goes to ``RUNNING`` before its first
    order, and to ``CANCELLED`` only if no order was ever written. Each transition is one journal row: who
    asked, why, when. A restart is a new run.
7.  Paused, health, exposure and protection are facts beside the state, written whenever they change. A
    decision is journalled with the conditions of its close and their values. The outlook (which conditions
    would have to become true next) is one row, replaced at each close; nothing in the engine reads it.
8.  A stop leaves position and protection, leaves the position and cancels the protection, or closes the
    position and cancels the protection last. In ``STOPPING`` nothing is decided and entry orders are
    cancelled. After 60 s of a reachable venue an unfinished stop is ``FAILED``, protection untouched.
9.  A run ends only after the venue's fills, payments and position, as of now, were read and agree with the
    run's books. The wallet's equity is compared with the ledger whenever both are known as of the same moment
    without a position. What a run leaves is reconciled until it is gone, with an alarm; an order that
    protects nothing is cancelled.
10. An entry decided on a past bar, or more than max(10 s, 5 % of the bar) of venue time after the close, is
    dropped as ``late``. An exit always executes. A slice of an entry is sent, where time passes between a
    close and the next open, at a random moment within min(30 s, a tenth of the bar) after the close, which
    its fill shows as delay; only then is it late.
11. Bars that are missing are read before the next one is decided. Those that the venue lacks as well are a
    hole. A hole that cannot be confirmed is ``stale``: no entries, exits and protection go on. A bar that
    comes after its successor was decided is journalled and never counted.
12. Recovery: every active run is reconciled before it does anything. Its own orders by client order id, then
    fills, payments, bars and position; bars closed meanwhile are decided as past ones. Its indicators go on
    from the bars that it saw itself, whatever the venue has by then. A run whose worker raised is recovered
    at once, then after 3 s, then after 15 s; the fourth time in ten minutes it is ``FAILED``, protection left
    in place, with an alarm.
13. The venue's position is compared with the books after exits, refusals and reconciliations, and before a
    run ends. It is believed only if it is from after the booked fills and, on a live venue, after repeated
    readings of the same difference. One that no fill explains pauses entries: what is missing on the run's
    side was closed by someone else (``manual``), what is too much is external. External orders, and positions
    in other markets, alarm and pause entries once.

Orders

14. Persist, then act. Client order id (32 hex digits, the first 16 the run's), request and nonce are stored
    before anything is sent; the lease is checked last, right before the request leaves.
15. Only the venue's structured refusal makes an order ``REJECTED``. A timeout, a lost connection or an answer
    that cannot be read makes it ``UNKNOWN``, and so does a restart while its request is in flight. Then the
    venue is asked what became of it. The request is never sent again; a new order follows only once the old
    request can no longer execute.
16. While an order is in doubt, what depends on it waits: a stop or a close for 60 s at most, then it relies
    on the position that the venue shows, with an alarm; an entry waits as long as it takes. A reduce-only
    order that the venue took and does not show for 1.5 s has another one sent beside it: both together can
    open nothing.
17. A fill is booked once, by (venue, account, fill id), also after the order's end. A fill that does not
    follow from what is known is booked only after all fills since the last known one were read. One from
    before others of the open position is booked in its place, and those again: profit, average entry and the
    end of a trade are as in the venue's order.
18. Three refused entries in a row pause entries. A closing order is reduce-only and immediate, bounded at 1
    %, 5 %, then 10 % beyond the mid, until the venue shows the position flat.

Protection

19. Stop and target rest at the venue, for the filled amount, from the first fill on: the stop on the venue's
    answer to the entry, before its fills arrive. The stop is a reduce-only stop-market order that may fill up
    to 10 % beyond its trigger, the target a reduce-only limit.
20. The stop comes first: placed, resized and moved before the target, and the target is cancelled once the
    position is flat. A leg is moved by the venue's modify where it has one, else the new order first and the
    old one cancelled after; not while an exit order is sent, for 2 s at most: the exit goes first.
21. After a refused stop, position and open orders are read, for a doubtful one beside resolving it. Then: an
    old stop that still rests is kept and the move is tried again, of one that is too small without reading
    it; a trigger beyond the mark closes at market for the stop's reason; a rate limit or an authentication
    failure is tried again; any other refusal gets one corrected retry, and after 5 s without a stop the
    position is closed (``protection_failed``). With ``close_position_on_exit`` off, or a position that was
    adopted, there is only the alarm.
22. A position without the resting stop that its algorithm has is ``unprotected``: an alarm, and nothing that
    the stop waits for waits longer than 1 s. A leg that rests at another level than wanted is tried again
    within max(2 s, 5 % of the bar), and is an alarm after the second failure.
23. A leg of a trade that is over never protects the next one. A fill after flat is an alarm, and what it made
    is closed.

Threads, lock and lease

24. The host thread writes the heartbeat, picks commands up and replaces workers; it waits for no venue. Each
    run has a thread and handles one input at a time from its inbox. Each request to a venue has a thread of
    its own and its answer is an input, so that a run waits for no single request. On a feed with phases,
    which waits for the run, requests are made in the run's thread, in order.
25. One lock per data folder (``flock``), freed by the kernel at death. A holder that does not respond is
    shown with its pid and never overtaken. An engine whose lock file was replaced ends for good.
26. The lease is the engine's epoch in the store and a heartbeat at most 2 s old by a clock that counts
    suspend. Every write transaction asserts the epoch, every send checks the lease. A lost lease cannot be
    renewed: the engine claims the store again and recovers all runs, each unacknowledged order ``UNKNOWN``.
27. A command is a row with an expiry, the state it was aimed at, and an outcome on the same row. What was
    accepted survives a restart, except that a start or a resume that has expired meanwhile is refused.

Hazards

28. What happens around a run and may end it (``trading.hazards``) is an alarm while it lasts. When it begins,
    and only then, the operator's policy pauses entries, or stops the run as its operator would: author
    ``system``, the reason in words. A position whose closing is reserved (``close_position_on_exit`` off) is
    left. A stop that is under way is not changed. With the run's end its hazards end.

Without a run

29. Positions of a wallet without an active run are closed on an operator's command: each by a reduce-only
    order as of rule 18, stored before it is sent, the next one only when the outcome of all before it is
    known. An order that closes a position which a run left is an order of that run, and booked with it.
    Meanwhile no run starts in the wallet. The command is done when the venue shows the account flat; it is
    refused when the venue refuses, or after 60 s in which no order can execute any more.
"""
