"""The decision core of a run: pure, no I/O, time in the event."""
