"""Widgets that were removed leave nothing behind."""

import gc
import weakref
from collections import Counter
from dataclasses import replace

import pytest
from textual._styles_cache import StylesCache
from textual.cache import FIFOCache
from textual.strip import Strip

from firstwatch.manager.views import EngineWhere
from firstwatch.tui.leftovers import FullCollections, forget_removed
from firstwatch.tui.widgets.recent_cache import RecentCache
from firstwatch.tui.widgets.status_lines import StatusLine
from firstwatch.tui.widgets.table import _CACHES, Column, KeyedTable
from tests.ui import scenes
from tests.ui.stage import stage


def alive():
    """Return how many there are of what takes memory."""
    gc.collect()
    kinds = (StatusLine, StylesCache, Strip)
    return Counter(kind for each in gc.get_objects() for kind in kinds if isinstance(each, kind))


async def test_dialogs_that_were_closed_are_freed(home):
    scenes.busy_day(home)
    async with stage(home) as on:
        await on.ready()

        async def look_around():
            await on.press("?", "escape", "!", "escape", "3")
            forget_removed(on.app)
            return alive()

        before = await look_around()
        for _ in range(3):
            after = await look_around()
        assert after[StatusLine] == before[StatusLine]
        # Messages are made anew for each screen, and end by their own time; without the call 35 come of each
        # look around, and 770 lines.
        assert after[StylesCache] < before[StylesCache] + 30
        assert after[Strip] < before[Strip] + 300


async def test_a_painted_line_is_freed_without_a_collection(home):
    """It refers to nothing that was made of it, as Textual's caches would, nor to itself."""
    scenes.busy_day(home)
    async with stage(home) as on:
        await on.ready()
        await on.press("3", "4", "?", "escape", "3")
        strips = [each for each in gc.get_objects() if isinstance(each, Strip)]
        assert strips
        for strip in strips:
            kept = [each for each in gc.get_referents(strip) if isinstance(each, FIFOCache | Strip)]
            assert not kept, strip.text


def test_a_cache_keeps_what_was_used_last():
    cache = RecentCache(2)
    cache["a"], cache["b"] = 1, 2
    assert cache.get("a") == 1
    cache["c"] = 3
    assert dict(cache._cache) == {"a": 1, "c": 3}
    assert cache.get("b", "none") == "none"


def test_what_leaves_the_caches_of_a_table_is_freed_without_a_collection():
    gc.disable()
    try:
        table = KeyedTable([Column("name", 8)])
        for name in _CACHES:
            cache = getattr(table, name)
            values = [Counter() for _ in range(3)]
            left = list(map(weakref.ref, values))
            for key, value in enumerate(values):
                cache[key] = value
            del value, values
            cache.clear()
            assert [each() for each in left] == [None] * 3, name
    finally:
        gc.enable()


class Ring:
    """An object that refers to itself, as widgets do."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def ring():
    """One that nothing else refers to, and that is too old for younger collections; there were many."""
    gc.collect()
    old = Ring()
    for _ in range(15):
        gc.collect(1)
    return weakref.ref(old)


def test_a_pause_in_typing_is_used_for_a_full_collection(ring):
    FullCollections().use_pause()
    assert ring() is None


def test_no_full_collection_comes_just_after_a_key(ring):
    collections = FullCollections()
    collections.typed()
    collections.use_pause()
    assert ring() is not None


def test_no_full_collection_comes_where_little_is_left():
    gc.collect()
    left = weakref.ref(Ring())
    FullCollections().use_pause()
    assert left() is not None


@pytest.mark.parametrize("where", [EngineWhere.ATTACHED, EngineWhere.EMBEDDED])
async def test_a_pause_is_looked_for_after_each_snapshot_where_no_engine_would_wait_for_it(
    home, monkeypatch, where
):
    scenes.busy_day(home)
    async with stage(home) as on:
        await on.ready()
        app, later, uses = on.app, [], []
        # Nothing is awaited meanwhile, so that no other snapshot comes.
        with monkeypatch.context() as patch:
            patch.setattr(app, "call_after_refresh", lambda call, *_: later.append(call))
            patch.setattr(app._collections, "use_pause", lambda: uses.append(1))
            app._take(replace(app.live, engine=replace(app.live.engine, where=where)))
            for call in later:
                if call == app._collect_in_pause:
                    call()
        assert len(uses) == (where is EngineWhere.ATTACHED)
