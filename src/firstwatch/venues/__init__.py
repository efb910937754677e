"""Trading venues: one protocol, and an adapter for each venue.

In reading order: ``protocol`` (methods, outcomes and events of a venue), ``accounts`` (account management for
an operator), ``signer`` (keys that sign for it), ``settings`` and ``registry`` (the kinds of venues),
``assembly`` (opens one), ``nonces``, ``keccak``, ``paper`` (play money on a replayed or an invented
market), ``hyperliquid``.

To add a venue of a new kind: a folder with ``settings`` (a model of ``VenueSettings``) and ``assembly``
(``open_venue``, and ``open_accounts`` where accounts have keys), its import and one line in ``registry``, and
its name in the list above. Nothing else knows a kind by its name.

Imports ``store`` (the paper venue's books), ``market``, ``strategy`` and ``trading``. What is not in a
venue's folder imports only ``trading`` when it runs. No engine, no wallet file.

1. A request is prepared, stored by its caller, then sent once. ``prepare`` makes no input or output.
2. ``send``, ``cancel`` and ``modify`` return an outcome and do not raise when the venue fails: ``Accepted``,
   ``Refused`` (the venue's structured refusal: it did not and will not execute) or ``Unknown``.
3. ``resolve`` asks for the result of an unknown request: ``Executed``, ``NeverWill`` (it can no longer
   execute) or ``StillUnknown``. It never sends the request again.
4. An adapter calls ``FENCE`` as the last thing before a request that acts leaves the process.
5. Events reach a subscriber by one call of ``deliver``, in order, which must not block. A bar is closed when
   the venue says so, never by the local clock.
6. ``StreamLost`` and ``StreamRestored`` enclose a gap: the subscriber reads what it missed. An adapter that
   knows its venue's condition reports it from time to time (``ConditionRead``).
7. What an adapter can do is in ``Capabilities``; no caller asks which venue it is.
8. Every answer is decoded strictly: typed, finite and bounded, or a ``VenueError`` that names the place.
"""
