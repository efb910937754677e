"""Tests of market data: files, cache, feeds, sessions."""
