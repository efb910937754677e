"""One run's thread: startup, effects at the venue, storing each step."""
