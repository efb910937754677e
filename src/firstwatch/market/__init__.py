"""Market data: history files, their cache, feeds and session windows. No store, no venue, no thread."""
