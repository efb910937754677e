"""Runs algorithms live: the pure core of a run, and the rim of lock, threads and commands around it."""
