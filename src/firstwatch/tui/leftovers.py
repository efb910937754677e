"""What is left of widgets that were removed.

Textual (8.2.8) keeps 10 kB of each dialog, and up to 60 MB in all. The objects of a widget refer to one
another, so that only a full collection frees them, which stops the screen for 0.1 s when its lists are long.
By default a key in ten meets one.
"""

import gc
import time
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


_YOUNG_PER_FULL = 40
_YOUNG_PER_PAUSE = 10
"""After so many younger collections a full one uses the next pause in typing."""
_PAUSE_S = 0.1


class FullCollections:
    """Has Python collect while no key is typed, where it can.

    ``use_pause`` is not for a process with an engine, which would wait for the same interpreter.
    """

    def __init__(self) -> None:
        self._typed_at_s = 0.0

    def begin(self) -> None:
        """Switch collecting on, if the program has started with it off."""
        if not gc.isenabled():
            self.leave_out_present()
            gc.set_threshold(*gc.get_threshold()[:2], _YOUNG_PER_FULL)
            gc.enable()

    def leave_out_present(self) -> None:
        """Look no more at what there is now, such as modules just loaded, which live until exit."""
        gc.freeze()

    def typed(self) -> None:
        """A key was handled just now."""
        self._typed_at_s = time.monotonic()

    def use_pause(self) -> None:
        """Collect now, if enough has come together and no key was typed for a moment."""
        is_pause = time.monotonic() - self._typed_at_s >= _PAUSE_S
        if is_pause and gc.isenabled() and gc.get_count()[2] >= _YOUNG_PER_PAUSE:
            gc.collect()
