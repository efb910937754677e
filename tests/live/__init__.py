"""Runs of the whole program against a loopback venue: real processes, real ccxt."""
