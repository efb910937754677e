"""Launching a run: facts, checks and adoption of what the wallet holds."""
