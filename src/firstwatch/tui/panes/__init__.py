"""The four panes of Run mode."""
