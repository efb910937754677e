"""Smaller updates of the terminal: only widgets and columns that have changed, and no style twice."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import cast

import textual.strip
from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region
from textual.strip import Strip


class _NothingKept:
    """A cache that keeps nothing."""

    def get(self, key: object) -> None:
        return None

    def __setitem__(self, key: object, value: object) -> None:
        pass


_NOTHING_KEPT = _NothingKept()

# A line has seven caches of what was made of it (Textual 8.2.8): 1 KB each, and one that refers to the line
# itself, so that only a full collection frees it. What has changed is painted once, and without them as soon.
vars(textual.strip)["FIFOCache"] = lambda _: _NOTHING_KEPT


class NarrowCompositor(Compositor):
    """Renders of each widget the rows that have changed and are seen.

    Textual's own renders all widgets in the smallest rectangle around what has changed, all their rows, and
    the containers behind them: with a change in the head and one in the status line, everything (measured on
    8.2.8).
    """

    def render_partial_update(self) -> ChopsUpdate | None:
        """Render what has changed; None: nothing has."""
        regions, cuts = self._dirty_regions.copy(), self.cuts
        self._dirty_regions.clear()
        if not regions:
            return None
        spans = [span for span in self._regions_to_spans(regions) if span[0] < len(cuts)]
        missing: dict[int, set[int]] = {}
        for y, first, end in spans:
            parts = (left for left, right in pairwise(cuts[y]) if left < end and first < right)
            missing.setdefault(y, set()).update(parts)
        return ChopsUpdate(self._rendered(missing), spans, [cut[1:] for cut in cuts])

    def _render_chops(
        self, crop: Region, is_rendered_line: Callable[[int], bool]
    ) -> Sequence[Mapping[int, Strip]]:
        # Of the screen as a whole: no part of a line remains without a piece.
        rows = [y for y in crop.line_range if y < len(self.cuts) and is_rendered_line(y)]
        chops = self._rendered({y: set(self.cuts[y][:-1]) for y in rows})
        return cast(Sequence[Mapping[int, Strip]], chops)

    def _rendered(self, missing: dict[int, set[int]]) -> list[dict[int, Strip | None]]:
        """Return by row the pieces of its parts, by the column at which each begins.

        ``missing``: by row the beginnings of the parts that are rendered; emptied.
        """
        cuts = self.cuts
        chops: list[dict[int, Strip | None]] = [
            dict.fromkeys(cuts[y][:-1]) if y in missing else {} for y in range(len(cuts))
        ]
        # From front to back: what a widget shows hides what lies behind it.
        for widget, (region, clip) in self.visible_widgets.items():
            seen = region.intersection(clip)
            left, right = seen.column_span
            rows = [y for y in missing if y in seen.line_range and any(left <= x < right for x in missing[y])]
            for top, height in _stretches(rows):
                part = Region(left - region.x, top - region.y, right - left, height)
                for y, strip in enumerate(widget.render_lines(part), start=top):
                    places = [x for x in cuts[y] if left <= x <= right]
                    pieces = strip.divide([end - left for end in places[1:]])
                    for x, piece in zip(places, pieces, strict=False):
                        if x in missing[y]:
                            chops[y][x] = piece
                            missing[y].remove(x)
                    if not missing[y]:
                        del missing[y]
        return chops


def _stretches(rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first row and the number of rows of each stretch of rising rows without a gap."""
    first = 0
    for place in range(1, len(rows) + 1):
        if place == len(rows) or rows[place] != rows[place - 1] + 1:
            yield rows[first], place - first
            first = place


class NarrowUpdate(ChopsUpdate):
    """An update of the changed columns only.

    Textual's own update begins at the left edge of the widget that has changed, and sends the style of each
    segment anew (measured on 8.2.8).
    """

    @classmethod
    def of(cls, update: ChopsUpdate) -> "NarrowUpdate":
        """Return the update as a narrow one."""
        return cls(update.chops, update.spans, update.chop_ends)

    def render_segments(self, console: Console) -> str:
        """Return the text with the escape sequences for the terminal."""
        parts = []
        for row, first, end in self.spans:
            for chop_end, (left, strip) in zip(self.chop_ends[row], self.chops[row].items(), strict=False):
                begin, stop = max(first, left), min(end, chop_end)
                if strip is not None and begin < stop:
                    parts.append(Control.move_to(begin, row).segment.text)
                    parts.append(strip.crop(begin - left, stop - left).simplify().render(console))
        return "".join(parts)
