"""The vocabulary of the program: markets, orders, runs, launches, commands, events.

In reading order: ``symbols``, ``market`` (steps, minimums, fees), ``bar`` and ``timeframe``, ``orders``
(sides, orders, fills and the one table of order states), ``runs`` (the one table of run states, and the facts
beside the state), ``account`` (balance, position, funding), ``trade``, ``launch`` (settings that an operator
chooses at launch) and ``launch_words`` (the same as text), ``exchange_hours``, ``limit_fills`` (when a
resting entry fills in a simulation), ``commands`` (to the engine), ``agents`` (their scopes, limits and
acts), ``jobs``, ``trials``, ``why`` (conditions with their values, and as text),
``hazards`` (what may end a run, and the operator's policy), ``alarms`` (meaning, severity and possible
actions of each) and ``quiet_hours``, ``events`` (the journal's rows), ``verdicts`` (of the first watch) and
``watch`` (its reports), ``exports``, ``ids`` (client order ids), ``notes``, ``errors``, ``numbers`` and
``text`` (bounds and cleaning at the edges), ``fields`` (a dataclass as a dict), ``validation``,
``setting_fields``, ``toml_file``, ``toml_text`` and ``toml_places`` (an operator's files), ``clock``,
``fault_points`` (where tests crash the program).

Pure: no other package of the program may be imported, no thread and no library but pydantic. Only ``clock``
reads the machine's clocks, only ``toml_file`` reads files.

1. Money, prices and amounts are ``Decimal`` at the edges and in the store, float64 in arrays and in the
   decision core. Times are integer milliseconds since 1970, UTC. A name ends with its unit: ``_ms``,
   ``_bps``.
2. A state machine is one table and one function that consults it: ``RUN_TRANSITIONS`` and ``move_run``,
   ``ORDER_TRANSITIONS`` and ``move_order``. Nothing else moves a state.
3. Nothing foreign is trusted. Numbers are bounded and finite, texts are cleaned of control characters and
   cut, before a value is made of them.
4. An error is a sentence for an operator: what, where, what to do. Its class is the exit code.
5. Time comes from an injected ``Clock``.
"""
