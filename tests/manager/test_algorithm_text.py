"""The text of an algorithm as it is typed: mistakes where they stand, completion, colours, in time."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.manager.algorithm_text import TokenKind, complete, edited, place_at, tokens_of
from firstwatch.manager.build_views import TextView
from firstwatch.strategy.conditions import Operation, Operator, PriceField
from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.language import parse_condition
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.toml_file import LONGEST_BYTES

TEXT = sample_toml()
VIEW = TextView(
    "draft", TEXT, base="RSI reversion@1", base_id=1, stored=AlgorithmSpec.from_toml(TEXT).to_toml()
)


def cursor(text):
    """The text without its mark, and line and column of the mark."""
    before, _, after = text.partition("▮")
    return before + after, before.count("\n"), len(before) - before.rfind("\n") - 1


def marked(text, problem):
    return text.split("\n")[problem.line][problem.column : problem.end_column]


# --- mistakes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "mark", "said"),
    [
        ("rsi(14) < 30", "rsy(14) < 30", 5, "rsy", "did you mean rsi?"),
        ("rsi(14) < 30", "rsi(14) <", 5, '"', "the end found"),
        ("rsi(14) < 30", "close crosses abuve 3", 5, "abuve", "did you mean above?"),
        ("rsi(14) < 30", "rsi(timeperiot=14) < 30", 5, "timeperiot", "did you mean timeperiod?"),
        ("rsi(14) < 30", "macd(12, 26, 9).signal < 3", 5, "signal", "macdsignal"),
        ("rsi(14) < 30", "rsi(1) < 3", 5, "1", "from 2"),
        ('"rsi(14) < 30"', '\n  "close > 1",\n  "rsi(14) >> 30"', 7, ">", "expected"),
        ('"rsi(14) < 30"', r'"\u0072sy(14) < 30"', 5, r"\u0072sy", ""),
        ("rsi(14) < 30", "not (clos > 2 * atr(14))", 5, "clos", "did you mean close?"),
        ('required = ["rsi(14) < 30"]', 'when = {any = [{all = ["rsy(14) < 3"]}]}', 5, "rsy", "rsi?"),
        ('required = ["rsi(14) < 30"]', 'when = {ani = ["close > 1"]}', 5, "ani", "did you mean any?"),
        ('required = ["rsi(14) < 30"]', 'when = {at_least = 2, of = ["close > 1"]}', 5,
         '{at_least = 2, of = ["close > 1"]}', "at_least is 2"),
        ("fraction = 0.10", "fraction = 2000.0", 15, "2000.0", "1000 or less"),
        ("trailing", "trailin", 12, "trailin", "did you mean trailing?"),
        ("[sizing]", "[sizin]", 17, "sizin", "did you mean sizing?"),
        ('"1h"', '"7m"', 2, '"7m"', "did you mean 5m?"),
        ('"1h"', "1h", 2, "h", "one line holds one key"),
        ('"1h"', '"1h', 2, "h", "quotes"),
        ("equity = 0.5", "equity = nan", 18, "nan", "finite"),
        ("equity = 0.5", "", 17, "sizing", "exactly one of"),
        ("fraction = 0.05", "fraction = 1.5", 11, "1.5", "below 1"),
        ('direction = "long"', 'direction = "short"', 4, "entry", "needs conditions"),
        ("cooldown_bars = 3", "cooldown_bars = 3\nsince = 2024-01-01", 26, "2024", "a date"),
        ("cooldown_bars = 3", "cooldown_bars = ", 25, "=", "a value is wanted"),
        ('name = "RSI reversion"\n', "", 0, "direction", "name is missing"),
        ('mode = "cooldown_only"', "mode = true", 24, "true", "cooldown_only"),
    ],
)  # fmt: skip
def test_each_mistake_is_marked_where_it_stands(old, new, line, mark, said):
    text = TEXT.replace(old, new, 1)
    problems = edited(VIEW, text).problems
    found = {(each.line, marked(text, each)): each.sentence for each in problems}
    assert (line, mark) in found, found
    assert said in found[line, mark]
    assert not edited(VIEW, text).is_valid


def test_a_text_that_means_the_same_is_not_changed_however_it_is_written():
    assert edited(VIEW, TEXT + "\n# why\n").is_changed is False
    assert edited(VIEW, TEXT.replace("fraction = 0.10", "fraction = 0.1")).is_changed is False
    assert edited(VIEW, TEXT.replace("< 30", "< 25")).is_changed is True
    assert edited(VIEW, TEXT.replace("< 30", "<")).is_changed is True
    assert edited(TextView("draft", TEXT), TEXT).is_changed is True


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_damaged_texts_have_problems_within_them(seed, damages):
    chance, text = random.Random(seed), TEXT
    for _ in range(damages):
        at = chance.randrange(len(text))
        text = (
            text[:at]
            + chance.choice(["", '"', "]", "[", "=", "\n", "é", "'''", "\\", "{", "#", "0"])
            + text[at + 1 :]
        )
    view = edited(VIEW, text)
    lines = text.split("\n")
    for problem in view.problems:
        assert 0 <= problem.line < len(lines)
        assert 0 <= problem.column <= len(lines[problem.line])
        assert problem.column < problem.end_column
        assert problem.sentence
    if view.is_valid:
        AlgorithmSpec.from_toml(text)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "[" * LONGEST_BYTES,
        "a = 1\n" * 20_000,
        "".join(f"k{number} = 1\n" for number in range(10_000)),
        'a = ["' + "rsi(14) < 30" * 5_000,
        "required = [" + '"rsi(14) < 30", ' * 5_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_huge_text_has_few_problems_soon(text):
    begun_s = time.process_time()
    view = edited(VIEW, text)
    place_at(text, 0, 3)
    complete(text, 0, 3)
    tokens_of(text)
    assert time.process_time() - begun_s < 10
    assert 1 <= len(view.problems) <= 100


# --- the cursor --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[entry.long]\nrequired = ["rsi(14) ▮< 30"]', "entry.long.required[0]"),
        ('[entry.long]\nrequired = [\n  "close > 1",\n  "▮rsi(14) < 30",\n]', "entry.long.required[1]"),
        ('[exit.short]\noptional = ["rsi(14) < 30▮', "exit.short.optional[0]"),
        ('[exit.short]\nopt▮ional = ["rsi(14) < 30"]', ""),
        ('name = "RSI ▮reversion"', ""),
        ('[exit.long]\nwhen = {any = ["close > 1", {all = ["▮close > 2"]}]}', "exit.long.when.any[1].all[0]"),
        ("▮", ""),
    ],
)
def test_the_condition_at_the_cursor_is_known_by_its_place(text, place):
    assert place_at(*cursor(text)) == place


# --- completion --------------------------------------------------------------------------------------


def choices(text):
    text, line, column = cursor(text)
    found = complete(text, line, column)
    return {each.label: text.split("\n")[line][: found.column] + each.insert for each in found.choices}


@pytest.mark.parametrize(
    ("text", "label", "line"),
    [
        ("dir▮", "direction", "direction = "),
        ("direction = ▮", '"short"', 'direction = "short"'),
        ('direction = "s▮"', "short", 'direction = "short'),
        ('timeframe = "▮', "4h", 'timeframe = "4h'),
        ("[sto▮", "stop_loss", "[stop_loss]"),
        ("[entry.▮]", "short", "[entry.short"),
        ("[entry.long]\nwh▮", "when", "when = {"),
        ("[entry.long]\nwhen = {a▮}", "any", "when = {any = "),
        ('[entry.long]\nwhen = {any = ["r▮"]}', "rsi", 'when = {any = ["rsi(14)'),
        ('[entry.long]\nrequired = ["▮', "not", 'required = ["not '),
        ('[entry.long]\nrequired = ["close > ema(20) + ▮', "atr", 'required = ["close > ema(20) + atr(14)'),
        ('[entry.long]\nrequired = ["close > ema(20) ▮', "*", 'required = ["close > ema(20) * '),
        ("[[▮", "reset.follow_up", "[[reset.follow_up]]"),
        ("[stop_loss]\nfr▮", "fraction", "fraction = "),
        ("[stop_loss]\ntrailing = t▮", "true", "trailing = true"),
        ('[order]\nkind = "▮', "twap", 'kind = "twap'),
        ('[entry.long]\nrequired = ["▮', "rsi", 'required = ["rsi(14)'),
        ('[entry.long]\nrequired = ["r▮"]', "rsi", 'required = ["rsi(14)'),
        ('[entry.long]\nrequired = ["r▮(7)"]', "rsi", 'required = ["rsi'),
        ('[entry.long]\nrequired = [\n"bb▮', "bbands.upperband", '"bbands(20, 2, 2).upperband'),
        ('[entry.long]\nrequired = ["rsi(▮', "timeperiod", 'required = ["rsi(timeperiod='),
        ('[entry.long]\nrequired = ["macd(12, ▮', "slowperiod", 'required = ["macd(12, slowperiod='),
        ('[entry.long]\nrequired = ["ema(9, source=h▮', "hl2", 'required = ["ema(9, source=hl2'),
        ('[entry.long]\nrequired = ["macd(12, 26, 9).▮', "macdhist", 'required = ["macd(12, 26, 9).macdhist'),
        ('[entry.long]\nrequired = ["rsi(14) ▮', "<", 'required = ["rsi(14) < '),
        ('[entry.long]\nrequired = ["rsi(14) cr▮', "crosses above", 'required = ["rsi(14) crosses above '),
        ('[entry.long]\nrequired = ["rsi(14) crosses ▮', "below", 'required = ["rsi(14) crosses below '),
        ('[entry.long]\nrequired = ["close > ▮', "ema", 'required = ["close > ema(30)'),
        ('timeframe = "1h"\n[entry.long]\nrequired = ["rsi(14)@▮', "1d", 'required = ["rsi(14)@1d'),
    ],
)  # fmt: skip
def test_what_can_follow_is_offered(text, label, line):
    assert choices(text)[label] == line


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ('timeframe = "1h"\n[entry.long]\nrequired = ["rsi(14)@▮', "5m"),
        ('[entry.long]\nrequired = ["rsi(timeperiod=14, ▮', "timeperiod"),
        ('direction = "long"\n▮', "direction"),
        ("[stop_loss]\n[▮", "stop_loss"),
        ("name = 1 # dir▮", "direction"),
        ('name = "clo▮', "close"),
    ],
)
def test_what_cannot_follow_is_not_offered(text, label):
    assert label not in choices(text)


def test_each_function_and_price_that_is_offered_is_a_right_operand():
    start = 'required = ["'
    offered = choices(f"[entry.long]\n{start}▮")
    assert offered.pop("not") == f"{start}not "
    assert {label.partition(".")[0] for label in offered} == {*FUNCTIONS, *PriceField}
    for written in offered.values():
        operand = written.removeprefix(start)
        if not operand.endswith("("):
            parse_condition(f"{operand} crosses above {operand}")


def test_each_operator_is_offered():
    assert {*Operator, *Operation} == set(choices('[entry.long]\nrequired = ["close ▮'))


@given(st.integers(0, len(TEXT)), st.integers(0, len(TEXT)))
def test_completion_replaces_what_is_before_the_cursor(cut, more):
    text = TEXT[:cut] + TEXT[more:]
    line, column = text.count("\n", 0, cut), cut - text.rfind("\n", 0, cut) - 1
    found = complete(text, line, column)
    assert 0 <= found.column <= column
    assert len({each.label for each in found.choices}) == len(found.choices)


# --- colours -----------------------------------------------------------------------------------------


def coloured(line):
    return [(line[each.start : each.end], each.kind) for each in tokens_of(line)]


def test_the_parts_of_lines_have_their_kinds():
    assert coloured("[entry.long] # why") == [("[entry.long]", TokenKind.TABLE), ("# why", TokenKind.COMMENT)]
    assert coloured("[[reset.follow_up]]") == [("[[reset.follow_up]]", TokenKind.TABLE)]
    assert coloured("trailing = true") == [("trailing", TokenKind.KEY), ("true", TokenKind.BOOLEAN)]
    assert coloured("fraction = 0.05") == [("fraction", TokenKind.KEY), ("0.05", TokenKind.NUMBER)]
    assert coloured('name = "rsi(14) # <"') == [("name", TokenKind.KEY), ('"rsi(14) # <"', TokenKind.STRING)]
    assert coloured('required = ["ema(9, source=hl2)@4h crosses above 3"]') == [
        ("required", TokenKind.KEY),
        ('"', TokenKind.STRING),
        ("ema", TokenKind.FUNCTION),
        ("(", TokenKind.STRING),
        ("9", TokenKind.NUMBER),
        (", ", TokenKind.STRING),
        ("source", TokenKind.KEY),
        ("=", TokenKind.STRING),
        ("hl2", TokenKind.PRICE),
        (")@", TokenKind.STRING),
        ("4h", TokenKind.TIMEFRAME),
        (" ", TokenKind.STRING),
        ("crosses", TokenKind.OPERATOR),
        (" ", TokenKind.STRING),
        ("above", TokenKind.OPERATOR),
        (" ", TokenKind.STRING),
        ("3", TokenKind.NUMBER),
        ('"', TokenKind.STRING),
    ]
    assert (" < ", TokenKind.STRING) not in coloured('  "close < 3",')


@given(st.text(max_size=80))
def test_tokens_follow_one_another_within_the_line(line):
    last = 0
    for token in tokens_of(line):
        assert last <= token.start < token.end <= len(line)
        last = token.end
