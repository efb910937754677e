"""One run's thread: startup, requests to the venue, storing each step.

In reading order: ``worker`` (the thread and its inbox), ``startup`` (a new run's first input, or a
recovery's), ``executor`` (effects become requests, answers become inputs), ``requests`` (those in flight, a
thread each), ``step_writer`` (a step and its checkpoint, in one transaction), ``live_status`` (figures that
change constantly), ``unattended`` (an active run without a worker), ``protection_proof`` (before the first
order).

Rules 12, 14 and 24 of ``firstwatch.engine``. Workers do not know of each other.
"""
