"""What a text or a choice makes of a draft."""

from dataclasses import replace

from firstwatch.manager import draft_document
from firstwatch.manager.test_service import edited
from firstwatch.manager.test_views import DraftView
from firstwatch.tui.draft_form import parse_test
from firstwatch.tui.draft_form.fields import SETUP, FieldRow
from firstwatch.tui.launch_form import parse


def problem_with(draft: DraftView, row: FieldRow, text: str) -> str:
    """Return what would be wrong with a field if that text was in it; empty: nothing, or it is empty."""
    if not text:
        return ""
    if row.is_condition:
        return draft_document.condition_problem(text, draft.document)
    if problem := parse.problem(row.read, text):
        return problem
    return problem_at(changed(draft, row, text), row)


def problem_at(draft: DraftView, row: FieldRow) -> str:
    """Return the mistake in a field as it is; empty: none."""
    if row.is_condition:
        return draft_document.condition_problem(row.text, draft.document) if row.text else ""
    if row.key.startswith(SETUP):
        return parse.problem(row.read, row.text)
    table, _, name = row.key.rpartition(".")
    places = (row.key, table) if name in ("kind", "at_least") else (row.key,)
    return next((draft.problems[place] for place in places if place in draft.problems), "")


def changed(draft: DraftView, row: FieldRow, text: str) -> DraftView:
    """Return the draft with that text in a field; the text can be read.

    Raises:
        ValueError: it cannot be read.
    """
    key = row.key
    if key.startswith(SETUP):
        row.read(text)
        return edited(draft, setup=replace(draft.setup, **{key.removeprefix(SETUP): text}))
    document = draft.document
    table, _, name = key.partition(".")
    if row.is_condition:
        new = draft_document.with_value(document, key, text or None)
    elif key == "order.kind":
        new = draft_document.with_order(document, text)
    elif name == "kind":
        new = draft_document.with_kind(document, table, text)
    elif key == "reset.follow_up":
        new = draft_document.with_value(document, key, parse_test.chain_links(text))
    elif key == "stop_loss.trailing":
        new = draft_document.with_value(document, key, text == "on")
    else:
        new = draft_document.with_value(document, key, row.read(text))
    return edited(draft, document=new)


def other_problems(draft: DraftView, keys: set[str]) -> tuple[str, ...]:
    """Return the mistakes that stand at none of these rows, each with its place."""
    return tuple(
        f"{place}: {sentence}" if place else sentence
        for place, sentence in draft.problems.items()
        if place not in keys
    )
