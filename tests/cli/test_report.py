"""``firstwatch report``: text, JSON and page of any report, and a sentence where there is none."""

import os
import re
import sqlite3
import subprocess
import sys
import xml.dom.minidom
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from firstwatch.cli.report_html import report_page
from firstwatch.cli.report_text import COLUMNS, report_lines
from firstwatch.store.backtests import add_backtest
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import open_store
from firstwatch.store.runs import get_run, transition
from firstwatch.store.watch import save_report
from firstwatch.trading.runs import Author, RunState
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.verdicts import CheckName, Sign, SignName, Verdict
from firstwatch.trading.watch import Fan, Locked, WatchReport
from firstwatch.watch.tuning import HINTS
from tests.store.made import NOW_MS, made_run
from tests.watch.reports import check, report, reports

BROKEN = re.compile(r"\b(nan|None|inf|Traceback)\b")


class _Page(HTMLParser):
    """Counts the open elements of a page, and keeps what it would load or run."""

    VOID = frozenset({"meta", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.active, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)
        names = {name for name, _ in attributes}
        if tag in {"script", "link", "img", "iframe", "object"} or names & {
            "src",
            "href",
            "onload",
            "onclick",
        }:
            self.active.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID and (not self.open or self.open.pop() != tag):
            self.wrong.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def page_of(text):
    page = _Page()
    page.feed(text)
    page.close()
    return page


@given(reports)
@example(report(locked=Locked(hash="\x1b[2J", at=0)))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_report_is_lines_of_at_most_80_columns_without_a_value_that_is_not_one(made):
    lines = list(report_lines(made, list(HINTS.values())))
    assert max(map(len, lines)) <= COLUMNS
    assert not BROKEN.search("\n".join(lines))
    assert "\x1b" not in "".join(lines)


@given(reports)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_report_is_a_whole_page_that_loads_and_runs_nothing(made):
    text = report_page(made, list(HINTS.values()))
    page = page_of(text)
    assert (page.open, page.wrong, page.active) == ([], [], [])
    assert not BROKEN.search(text)
    assert "url(" not in text
    assert "http" not in text.replace("http-equiv", "")
    for plot in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        xml.dom.minidom.parseString(plot)


def test_foreign_text_is_escaped():
    made = report(next='<script>alert("x")</script> & more')
    assert "<script" not in report_page(made)
    assert '<script>alert("x")</script> & more' in "".join(page_of(report_page(made)).text)


def test_no_text_of_a_report_can_be_more_than_text():
    evil = """</title></svg>"'><script>alert(1)</script><img src=x onerror=alert(1)>&"""
    made = report(
        run=evil,
        next=evil,
        checks=tuple(each.model_copy(update={"sentence": evil}) for each in report().checks),
        mismatches=(report().mismatches[0].model_copy(update={"what": evil, "live": evil, "shadow": evil}),),
    )
    signs = [Sign(name, True, evil) for name in SignName]
    text = report_page(made, [evil], signs)
    page = page_of(text)
    assert (page.open, page.wrong, page.active) == ([], [], [])
    # Of every place where the text stands, only the title's characters are kept apart by the parser.
    assert "".join(page.text).count(evil) == 3 + len(made.checks) + 3 + len(signs) + 1
    for plot in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        xml.dom.minidom.parseString(plot)


def test_every_colour_of_the_page_has_a_light_and_a_dark_form():
    text = report_page(report())
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    light, dark = re.findall(r":root\{(.*?)\}", style, re.DOTALL)
    named = [set(re.findall(r"--(\w+):", each)) for each in (light, dark)]
    assert named[0] == named[1] == set(re.findall(r"var\(--(\w+)\)", text))
    assert "@media(prefers-color-scheme:dark)" in style


def test_where_the_heads_of_columns_are_hidden_each_cell_names_its_own():
    text = report_page(report())
    wide = re.findall(r'<table class="wide">(.*?)</table>', text, re.DOTALL)
    assert len(wide) == 2
    for table in wide:
        heads, *rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
        named = re.findall(r"<th[^>]*>(.*?)</th>", heads)
        for row in rows:
            cells = re.findall(r"<td([^>]*)>", row)
            assert len(cells) == len(named)
            for head, cell in zip(named, cells, strict=True):
                # A check's name, its bar and its verdict say themselves what they are.
                is_known = head in {"Check", "In the band", "Verdict"}
                assert is_known != (f'title="{head}"' in cell)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    narrow = style[style.index("@media(max-width:800px)") :]
    assert "table.wide tr.heads{display:none}" in narrow
    assert "content:attr(title)" in narrow


def test_what_is_stretched_to_the_page_has_no_text_and_no_circle():
    """Both would be stretched with it; a strip of 24 hours in one row could not be read on a phone."""
    plots = re.findall(r"<svg.*?</svg>", report_page(report()), re.DOTALL)
    stretched = [plot for plot in plots if 'preserveAspectRatio="none"' in plot]
    assert len(stretched) == 1
    assert not re.search(r"<(text|circle)", stretched[0])
    widths = [float(width) for width in re.findall(r'viewBox="0 0 (\d+) \d+"', "".join(plots))]
    assert max(width for width in widths if width != 1000) <= 320


@given(st.lists(st.floats(0.2, 5), min_size=2, max_size=9))
@settings(deadline=None)
def test_levels_of_equity_are_round_evenly_apart_and_around_all_curves(curve):
    """In the drawing, its highest label is the top and its lowest the bottom."""
    flat = tuple(1.0 for _ in curve)
    minutes = tuple(float(place) for place, _ in enumerate(curve))
    live = tuple(curve)
    fan = Fan(minutes=minutes, p5=flat, p25=flat, p50=flat, p75=flat, p95=flat, live=live)
    text = report_page(report(fan=fan))
    column = re.search(r'<div class="levels">(.*?)</div>', text, re.DOTALL)[1]
    labels = [float(label) for label in re.findall(r"<span>(.*?) %</span>", column)]
    assert 0 in labels
    assert 2 <= len(labels) <= 8
    steps = -np.diff(labels)
    assert steps == pytest.approx(np.full(len(steps), steps[0]), rel=1e-6)
    # An equity that does not move has no range of its own.
    if max(curve) - min(curve) > 1e-9:
        assert f"{steps[0]:.0e}"[0] in "125"
        assert float(f"{steps[0]:.0e}") == pytest.approx(steps[0])
        least, most = (min(*curve, 1) - 1) * 100, (max(*curve, 1) - 1) * 100
        assert labels[-1] <= least + 1e-9
        assert labels[0] >= most - 1e-9
        assert labels[-1] > least - steps[0] - 1e-9
        assert labels[0] < most + steps[0] + 1e-9


def test_the_page_explains_its_signs_and_its_columns():
    text = "".join(page_of(report_page(report())).text)
    for part in ("✓ consistent, ! watch, ✗ diverged, · not enough data, ▸ not over", "0.04 down", "was 100"):
        assert part in text
    for head in ("Expected", "5 to 95 %", "Adjusted p", "E-value"):
        assert head in text[text.index("Expected, 5 to 95 %:") :]


def test_a_page_with_signs_says_which_are_there():
    signs = [
        Sign(SignName.SHARPE, None, "Needs 30 days."),
        Sign(SignName.DRAWDOWN, True, "Drawdown 8.2 %.", 0.082, 0.061),
        Sign(SignName.FREQUENCY, False, "40 entries.", 40.0, 30.0),
    ]
    text = report_page(report(), [], signs)
    assert '<td class="unknown">· Sharpe ratio</td><td>Needs 30 days.</td>' in text
    assert '<td class="watch">! drawdown</td><td>Drawdown 8.2 %.</td>' in text
    assert '<td class="consistent">✓ entries</td><td>40 entries.</td>' in text
    lines = "\n".join(report_lines(report(), [], signs))
    assert "! drawdown       Drawdown 8.2 %." in lines
    assert "✓ entries        40 entries." in lines


def test_the_text_tells_the_story():
    text = "\n".join(report_lines(report(), ["Try limit entries."]))
    for part in (
        "! WATCH  run 9f3c12ab77aa0001 · PAPER · day 1, 7.5 of 24 h",
        "recipe abababababab locked 2025-11-28T00:00:00Z",
        "NEXT  Nothing to do before hour 24",
        "verdict  ✓  ✓  ✓  ✓  ✓  ✓  ✓  ▸  ·",
        "down     12 minutes of the day",
        "! fill prices            5.1 bps    2 (0.4 to 3.6)  ▕───────▏●  WATCH",
        "e-value 61 · would see slippage+5bps by now",
        "✓ drawdown                 1.1 %    0.6 (0 to 1.9)",
        "knows more at 2026-01-08",
        "since the start: NOT ENOUGH DATA (e-value 1, alarm at 20)",
        "2025-11-28T01:00:00Z  long entry: rejected (shadow at 119,318)",
        "afterwards: Try limit entries.",
    ):
        assert part in text, text
    assert "█" in text
    assert "▒" in text


def test_a_figure_below_or_above_its_band_stands_outside_of_the_bar():
    for observed, bar in ((-1, "●▕"), (2, "▏●"), (0.5, "───●───")):
        made = report(checks=(check(CheckName.DRAWDOWN, Verdict.WATCH, observed=observed, band=(0.0, 1.0)),))
        assert bar in "\n".join(report_lines(made))


# --- the command ------------------------------------------------------------------------------------


@pytest.fixture
def store(home):
    opened = open_store(home)
    yield opened
    opened.close()


def saved(store, *days, state=None):
    """Save a run with the reports of these days; return its id."""
    with store.write() as session:
        run_id = made_run(session).id
        for day in days:
            save_report(session, report(run=run_id, day=day), now_ms=day)
        path = {None: (), RunState.RUNNING: (RunState.RUNNING,)}.get(state, (RunState.RUNNING, state))
        for each in path:
            transition(session, run_id, each, "a test", author=Author.OPERATOR, local_time_ms=NOW_MS)
    return run_id


def made_backtest(session, version_id):
    empty = np.empty(0)
    add_backtest(
        session,
        version_id=version_id,
        symbol="BTC/USDC:USDC",
        timeframe=Timeframe.H1,
        costs_json="{}",
        settings_json="{}",
        start_ms=0,
        end_ms=1,
        bars=1,
        metrics_json="{}",
        trades=(),
        equity=EquityCurve(empty.astype(np.int64), empty),
        now_ms=NOW_MS,
    )


def test_the_json_is_exactly_the_report(store, firstwatch):
    run_id = saved(store, 1, 2)
    answer = firstwatch("report", run_id[:8], "--json")
    assert answer.code == 0
    assert answer.json == report(run=run_id, day=2).model_dump(mode="json")
    assert WatchReport.model_validate(answer.json) == report(run=run_id, day=2)
    assert firstwatch("report", run_id, "--day", 1, "--json").json["day"] == 1


def test_the_text_ends_with_what_to_adjust(store, firstwatch):
    answer = firstwatch("report", saved(store, 1))
    assert answer.code == 0
    assert "day 1, 7.5 of 24 h" in answer.out
    assert HINTS[CheckName.FILL_PRICES][:40] in answer.out
    assert max(map(len, answer.out.splitlines())) <= COLUMNS


def test_an_output_that_is_not_utf_8_gets_plain_signs_and_none_a_colour(store, home):
    run_id = saved(store, 1)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "FORCE_COLOR": "1"}
    command = [sys.executable, "-m", "firstwatch", "report", run_id]
    printed = subprocess.run(command, env=environment, capture_output=True, check=True).stdout.decode("ascii")
    assert "#" in printed
    assert "\\u" not in printed
    assert "\x1b" not in printed


def test_the_page_is_written_whole_over_an_older_one(store, firstwatch, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    run_id = saved(store, 1)
    answer = firstwatch("report", run_id, "--html", path)
    assert answer.out == f"{path} has the report of day 1: WATCH.\n"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    both = firstwatch("report", run_id, "--html", path, "--json")
    assert both.json["run"] == run_id
    assert [each.name for each in tmp_path.glob("*report*")] == ["report.html"]


def test_a_page_that_cannot_be_written_is_a_sentence_and_leaves_nothing(store, firstwatch, tmp_path):
    run_id = saved(store, 1)
    assert firstwatch("report", run_id, "--html", tmp_path / "missing" / "r.html").code == 1
    (tmp_path / "folder").mkdir()
    answer = firstwatch("report", run_id, "--html", tmp_path / "folder")
    assert answer.code == 1
    assert "cannot be written" in answer.err
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "home"]


def test_a_day_that_is_not_there_is_wrong_use(store, firstwatch):
    answer = firstwatch("report", saved(store, 1, 2, 3), "--day", 7)
    assert answer.code == 2
    assert "it has days 1 to 3" in answer.err


def test_a_run_that_has_not_begun_has_no_watch(store, firstwatch):
    answer = firstwatch("report", saved(store))
    assert answer.code == 3
    assert "has not begun" in answer.err


def test_a_run_without_a_baseline_is_told_how_to_make_one(store, firstwatch):
    answer = firstwatch("report", saved(store, state=RunState.RUNNING), "--json")
    assert answer.code == 3
    assert "RSI reversion@1 has no baseline on BTC/USDC:USDC" in answer.json["error"]


@pytest.mark.parametrize(
    ("state", "part"), [(RunState.RUNNING, "has no report yet"), (RunState.STOPPED, "before the first look")]
)
def test_a_run_that_was_not_looked_at_yet_is_a_sentence(store, firstwatch, state, part):
    if state is RunState.STOPPED:
        run_id = saved(store, state=RunState.STOPPING)
        with store.write() as session:
            transition(session, run_id, state, "a test", author=Author.OPERATOR, local_time_ms=NOW_MS)
    else:
        run_id = saved(store, state=state)
    with store.write() as session:
        made_backtest(session, get_run(session, run_id).version_id)
    answer = firstwatch("report", run_id)
    assert answer.code == 3
    assert part in answer.err


def test_a_damaged_report_is_a_sentence(store, firstwatch):
    run_id = saved(store, 1)
    with sqlite3.connect(store.path) as database:
        database.execute("UPDATE watch_report SET report_json = '{'")
    answer = firstwatch("report", run_id)
    assert answer.code == 1
    assert run_id in answer.err
    assert "Traceback" not in answer.err


def test_an_unknown_run_is_wrong_use(store, firstwatch):
    assert firstwatch("report", "abc").code == 2
