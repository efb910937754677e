"""Venues: one protocol, and an adapter for each place where orders go."""
