"""The pure core of a run: no input or output, no thread, no clock; time comes in the input.

In reading order: ``run_core`` (takes one input, returns the records to store and the effects to perform),
``inputs``, ``effects`` and ``records`` (its inputs and outputs), ``run_memory`` (all of its state,
the checkpoint) and ``step_context`` (one step: the memory, and the records and effects that it collects).
Then by subject: ``signals`` (conditions and sessions), ``bars`` (decisions at closes), ``entries``,
``exits``, ``order_manager``, ``protection``, ``ledger`` (fills and payments become position and trades),
``equity`` (the wallet beside the ledger), ``account`` (the venue's reports and readings), ``recovery``
(launch, adoption, recovery), ``lifecycle`` (stops and ends), ``hazards`` (events that may end it, and the
policy), ``status`` (facts beside the state), ``outlook`` (conditions that would have to become true next).

Rules 6 to 23 and 28 of ``firstwatch.engine``. Imports ``strategy``, ``trading`` and ``venues.protocol`` only.

An input is handled by noting what is known and what is wanted in the memory; then every part brings its
orders to what is wanted, protection first. So the same code continues after an answer, after a lost answer
and after a crash.
"""
