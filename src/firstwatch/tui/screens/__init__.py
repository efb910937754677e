"""Whole screens, one per mode."""
