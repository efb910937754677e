"""Firstwatch: runs trading algorithms live and says early whether they behave as backtested."""

__version__ = "0.2.0"
