"""Dialogs for settings that are lists: trading hours, and the links of a follow-up chain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.trading.launch import FollowUp, FollowUpSide, SessionWindow, Weekday
from firstwatch.trading.launch_words import EXIT_WORDS, SIDE_WORDS, link_words, window_words
from firstwatch.trading.runs import ExitReason
from firstwatch.tui.launch_form import parse
from firstwatch.tui.modals.dialog import Dialog
from firstwatch.tui.widgets.field_form import FieldForm, field_line
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.status_lines import KeyHint, KeyLine, StatusLine

_YES, _NO = "yes", "no"
_MOST_ROWS = 9

Values = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a part; with ``words`` it is a choice of these values."""

    id: str
    label: str
    meaning: str
    read: Callable[[str], object] = str
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of list: its fields, and how its parts are read and written."""

    noun: str
    fields: Sequence[_Field]
    first: Values
    """The values of a new part."""
    write: Callable[[Values], str]
    """Returns a part as the draft keeps it.

    Raises:
        ValueError: its values do not fit together.
    """
    worded: Callable[[str], str]


def _toggle(key: str, label: str, meaning: str) -> _Field:
    return _Field(key, label, meaning, words={_NO: "–", _YES: "yes"})


def _chosen(values: Values, keys: Sequence[str]) -> str:
    return ",".join(key for key in keys if values[key] == _YES)


# --- trading hours -----------------------------------------------------------------------------------------


def _write_window(values: Values) -> str:
    days = _chosen(values, list(Weekday))
    if not days:
        raise ValueError("choose a day: space on its row")
    return f"{days} {values['start']}-{values['end']}"


_WINDOW = _Kind(
    "window",
    (
        *(_toggle(day, day.capitalize(), "Space: these hours count on that day") for day in Weekday),
        _Field("start", "from", "When it begins, like 09:30", parse.time_of_day),
        _Field("end", "to", "When it ends, up to 24:00; below its begin: the next day", parse.end_of_window),
    ),
    {day.value: _NO if day in (Weekday.SAT, Weekday.SUN) else _YES for day in Weekday}
    | {"start": "09:30", "end": "16:00"},
    _write_window,
    lambda text: window_words(parse.windows(text)[0]),
)


def _window_values(window: SessionWindow) -> Values:
    days = {day.value: _YES if day in window.days else _NO for day in Weekday}
    return days | {"start": window.start, "end": window.end}


# --- the follow-up chain -----------------------------------------------------------------------------------

_FOLLOWED = [reason for reason in ExitReason if reason not in (ExitReason.RUN_END, ExitReason.END_OF_DATA)]


def _write_link(values: Values) -> str:
    after = _chosen(values, _FOLLOWED)
    if not after:
        raise ValueError("choose an exit that it follows: space on its row")
    signal = " signal" if values["needs_signal"] == _YES else ""
    text = f"{after} {values['side']} {values['wait']}-{values['within']}{signal} x{values['factor']}"
    parse.chain(text)
    return text


_LINK = _Kind(
    "link",
    (
        *(
            _toggle(reason, f"after {EXIT_WORDS[reason]}", "Space: the link follows an exit of that kind")
            for reason in _FOLLOWED
        ),
        _Field("side", "it enters", "The side of the trade before, or the other one", words=SIDE_WORDS),
        _Field("wait", "bars of rest", "So many bars after the exit nothing is decided", parse.bars),
        _Field("within", "last bar", "Without an entry up to this bar the link lapses", parse.bars),
        _Field(
            "needs_signal", "needs a signal", "Yes: only while its entry is true; –: right after the rest",
            words={_NO: "–", _YES: "yes"},
        ),
        _Field("factor", "size ×", "Times the usual size, above 0, at most 2", parse.factor),
    ),
    {reason.value: _YES if reason is ExitReason.STOP_LOSS else _NO for reason in _FOLLOWED}
    | {"side": FollowUpSide.SAME.value, "wait": "0", "within": "20", "needs_signal": _YES, "factor": "1"},
    _write_link,
    lambda text: link_words(parse.chain(text)[0]),
)  # fmt: skip


def _link_values(link: FollowUp) -> Values:
    after = {reason.value: _YES if reason in link.after else _NO for reason in _FOLLOWED}
    return after | {
        "side": link.side.value,
        "wait": str(link.wait_bars),
        "within": str(link.within_bars),
        "needs_signal": _YES if link.require_signal else _NO,
        "factor": f"{link.size_factor:.10g}",
    }


# --- the dialog --------------------------------------------------------------------------------------------


class PartsDialog(Dialog[str]):
    """Edits a list part by part; returns it as the draft keeps it."""

    AUTO_FOCUS = "FieldTable"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "accept", "Save", show=False, id="parts.save"),
        Binding("n", "add", "Add", show=False, id="parts.add"),
        Binding("d", "delete", "Delete", show=False, id="parts.delete"),
        Binding("right_square_bracket", "step(1)", "Next", show=False, id="parts.next"),
        Binding("left_square_bracket", "step(-1)", "Before", show=False, id="parts.before"),
    ]

    def __init__(self, title: str, kind: _Kind, parts: Sequence[Values]) -> None:
        super().__init__()
        self.TITLE_TEXT = title
        self._kind = kind
        self._fields = {each.id: each for each in kind.fields}
        self._parts = list(parts) or [dict(kind.first)]
        self._place = 0
        self._form = FieldForm(self, id="part")
        self._form.styles.height = min(len(kind.fields), _MOST_ROWS) + 1

    def body(self) -> Sequence[Widget]:
        return [Paragraph(id="listed"), self._form]

    def hints(self) -> Sequence[KeyHint]:
        if self._form.written is not None:
            return (KeyHint("enter", "save"), KeyHint("esc", "cancel"))
        several = (KeyHint("[ ]", "other"),) if len(self._parts) > 1 else ()
        return (
            KeyHint("enter", "change"), *several, KeyHint("n", "add"), KeyHint("d", "delete"),
            KeyHint("y", "save"), KeyHint("q esc", "cancel"),
        )  # fmt: skip

    def on_mount(self) -> None:
        self._renew()
        self._form.go_to(self._kind.fields[0].id)

    def on_descendant_focus(self) -> None:
        self._renew_lines()

    def _renew_lines(self) -> None:
        """Show the keys and the input mode of the focused widget."""
        self.query_one(KeyLine).renew()
        self.query_one(StatusLine).renew()

    def _renew(self) -> None:
        """Show all parts in words, and the fields of the one that is edited."""
        marks = ("▸" if place == self._place else " " for place in range(len(self._parts)))
        lines = [f"{mark} {self._words(part)}" for mark, part in zip(marks, self._parts, strict=True)]
        self.query_one("#listed", Paragraph).set_text(
            "\n".join(lines) or f"No {self._kind.noun}: n adds one."
        )
        part = self._parts[self._place] if self._parts else None
        rows = () if part is None else ((each, part[each.id]) for each in self._kind.fields)
        self._form.set_lines(
            [field_line(each.id, each.label, each.words.get(value, value)) for each, value in rows]
        )
        self._renew_lines()

    def _words(self, part: Values) -> str:
        try:
            return self._kind.worded(self._kind.write(part))
        except ValueError as error:
            return str(error)

    # --- ``FieldHost`` -------------------------------------------------------------------------------

    def text_of(self, key: str) -> str | None:
        return None if self._fields[key].words else self._parts[self._place][key]

    def typed(self, key: str, text: str) -> None:
        self._say(key, parse.problem(self._fields[key].read, text) if text else "")

    def save(self, key: str, text: str, step: int) -> bool:
        problem = parse.problem(self._fields[key].read, text)
        if problem:
            self._say(key, problem)
            return False
        self._parts[self._place][key] = text
        self._renew()
        keys = list(self._fields)
        place = min(max(keys.index(key) + (step or 1), 0), len(keys) - 1)
        self._form.go_to(keys[place], opens=bool(step) and keys[place] != key)
        return True

    def press(self, key: str) -> None:
        self.turn(key, 1)

    def turn(self, key: str, by: int) -> None:
        part, values = self._parts[self._place], list(self._fields[key].words)
        if values:
            part[key] = values[(values.index(part[key]) + by) % len(values)]
            self._renew()

    def pointed(self, key: str) -> None:
        self._say(key, "")

    def _say(self, key: str, problem: str) -> None:
        self._form.say(key, problem or f"{self._fields[key].meaning}.", is_problem=bool(problem))

    # --- the list ------------------------------------------------------------------------------------

    def action_add(self) -> None:
        self._parts.append(dict(self._kind.first))
        self._go_to(len(self._parts) - 1)

    def action_delete(self) -> None:
        if self._parts:
            del self._parts[self._place]
            self._go_to(max(0, self._place - 1))

    def action_step(self, by: int) -> None:
        if self._parts:
            self._go_to((self._place + by) % len(self._parts))

    def _go_to(self, place: int) -> None:
        self._place = place
        self._renew()
        if self._parts:
            self._form.go_to(self._kind.fields[0].id)

    def action_accept(self) -> None:
        """Return the list, unless a part of it is wrong."""
        texts: list[str] = []
        for place, part in enumerate(self._parts):
            try:
                texts.append(self._kind.write(part))
            except ValueError as error:
                self._go_to(place)
                self._say(self._kind.fields[0].id, str(error))
                return
        self.dismiss("; ".join(texts))


class WindowsDialog(PartsDialog):
    """Trading hours of the week."""

    def __init__(self, text: str) -> None:
        known = () if parse.problem(parse.windows, text) else parse.windows(text)
        super().__init__("Trading hours", _WINDOW, [_window_values(window) for window in known])


class ChainDialog(PartsDialog):
    """The links of a follow-up chain, in order."""

    def __init__(self, text: str) -> None:
        known = () if parse.problem(parse.chain, text) else parse.chain(text)
        super().__init__("Follow-up chain", _LINK, [_link_values(link) for link in known])
