"""Widgets: the parts of panes and dialogs."""
