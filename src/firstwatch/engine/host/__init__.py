"""The one engine of a data folder: lease, workers, commands, background process."""
