"""Hyperliquid perpetuals through the ``ccxt.pro`` client: one thread, one connection, one request budget.

In reading order: ``decoder`` (a model of each answer), ``queries`` (requests about accounts), ``parse``
(answers as the program's types); ``actions``, ``signing``, ``answers`` (orders, and what the venue answers to
them); ``venue`` (the adapter), ``connection``, ``subscribers``, ``account_watch``, ``account_book``,
``info``, ``candles`` (run in the gateway's loop), ``gateway``, ``client``, ``streams``, ``clock``,
``patience`` (timeouts), ``budget`` and ``shared`` (shared by all processes); ``account_actions``,
``account_api``, ``key_permissions``, ``transfers``, ``user_actions`` (account management by an operator),
``approvals`` and ``kinds`` (sentences); ``settings``, ``assembly``.

The facts that the code relies on. Those marked (docs) are the venue's public documentation; the others were
seen with ccxt 4.5.90 against a loopback exchange that verifies every signature.

Accounts and keys

1.  The account is the master's address, also when an agent (an "API wallet") signs for it: reading by the
    agent's address gives nothing, and no error. An agent signs orders, cancels and leverage; transfers,
    withdrawals and approvals need the master key. An agent is valid for 180 days at most (docs).
2.  A unified or portfolio-margin account keeps the money of perpetuals in spot, so its balance cannot be read
    as margin. Such accounts, vaults and sub-accounts are not traded.
3.  ccxt, given a key, approves a builder and sets a referrer before the first order, and adds a builder fee
    to each order. The client here overrides that and holds no key: requests are signed in ``signing``. The
    fee of a fill already includes the builder's.

Orders

4.  A client order id is ``0x`` and 32 lower-case hex digits. A price has at most 5 significant figures and 6
    - szDecimals decimals, an amount szDecimals; whole prices are always allowed. ccxt would round silently,
    so what is not on the step is refused here. The smallest order is 10 USDC, except for one that closes the
    whole position.
5.  A market order is an immediate-or-cancel limit with a worst price. One that finds nothing to match is
    answered with an error text, although it was an order: it ended unfilled. Closed does not mean filled.
6.  Refusals are texts without codes; ``answers`` has the table. "User or API Wallet does not exist" is about
    the key, not about the order. A batch of which a part was refused is in doubt as a whole.
7.  A modify replaces an order by a new one with a new id, in one step.
8.  Leverage is a whole number. Margin mode and leverage do not change while a position is held.

Requests in doubt

9.  What guards against a replay is the nonce, not the client order id. A nonce is a wall time in ms, taken
    once per key, at most two days old and one day ahead, and above the lowest of the hundred highest taken
    (docs).
10. A request in doubt that the venue does not know is burnt by a ``noop`` with the same nonce: an ``ok``
    means that it never executes. "Duplicate nonce" means that it was taken, or an earlier ``noop`` was: then
    the order is looked for until the venue's answers of the account are newer than that.
11. Answers come from several nodes and may lag behind: behind an order, a fill or a payment. An answer is
    believed when it is newer than what it is asked about.

Streams and reading

12. ``userFills`` begins with a snapshot; ``orderUpdates`` has none and does not say whose an order is. A
    message may be lost without any error, so accounts with open orders are polled even when they are
    streamed. At most 10 accounts can be streamed per internet address (docs); others are polled.
13. A candle does not say that it is closed. It counts as closed once a row with a later time has come, or
    once it was read after its end on the venue's clock. The venue may publish a minute late: it is a hole
    only when two readings have later bars and not that one. At most 5,000 rows of candles come at once.
14. Positions are one-way and netted per account and coin. Funding is paid at whole hours.
15. The venue's time is taken from its messages. A time from only one source is not believed.

The budget

16. 1,200 weight a minute per internet address (docs), spent here at 950 with a burst of 200: a burst and a
    minute of refilling stay below the limit. Reading an account, a book or an order costs 2, a role 60, most
    else 20 and more by rows, an action 1. All processes of a user share the budget. Orders go first.
17. Per account 10,000 actions and one per USDC traded (docs).
"""
