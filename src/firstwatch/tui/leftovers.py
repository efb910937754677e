"""What Textual keeps of widgets that were removed (8.2.8): 10 kB of each dialog, and up to 60 MB in all."""

from typing import Any

from textual._styles_cache import StylesCache
from textual.app import App


def forget_removed(app: App[Any]) -> None:
    """Let go of widgets that were removed, which nothing uses any more."""
    # A cache of colours keeps the painted lines of the last 1,024 widgets that asked it.
    StylesCache.get_inner_outer.cache_clear()
    # A watcher stays until what it watches changes, which may be never.
    for watchers in getattr(app, "__watchers", {}).values():
        watchers[:] = [watcher for watcher in watchers if not watcher[0]._closing]
