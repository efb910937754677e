"""The terminal screen. Textual lives here and nowhere below."""
