import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.strategy.conditions import Condition, Indicator, Number, Operator, Price, PriceField
from firstwatch.strategy.language import MAXIMUM_LENGTH, ConditionError, parse_condition
from firstwatch.trading.timeframe import Timeframe
from tests.strategy.conditions import conditions


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("rsi(14) < 30", "rsi(14) < 30"),
        ("rsi()<30.0", "rsi(14) < 30"),
        ("RSI( timeperiod = 14 ) < 3e1", "rsi(14) < 30"),
        ("rsi(14, source=close) < 30", "rsi(14) < 30"),
        ("rsi(14).real < 30", "rsi(14) < 30"),
        ("close > bbands(20, 2, 2).upperband", "close > bbands(20, 2, 2).upperband"),
        ("close > bbands(nbdevup=2.5).upperband", "close > bbands(20, 2.5, 2).upperband"),
        ("close > bbands(20, 2, 2, 1).upperband", "close > bbands(20, 2, 2, 1).upperband"),
        ("ema(20)  Crosses  Above ema(50)", "ema(20) crosses above ema(50)"),
        ("adx(14)@4h > 25", "adx(14)@4h > 25"),
        ("close@1d <= -.5", "close@1d <= -0.5"),
        ("rsi(14, source=hlc3) >= 70", "rsi(14, source=hlc3) >= 70"),
        ("macd() crosses below macd().macdsignal",
         "macd(12, 26, 9).macd crosses below macd(12, 26, 9).macdsignal"),
        ("stoch(5, 3, 1, 3, 0).slowd@4h < 20", "stoch(5, 3, 1, 3).slowd@4h < 20"),
        ("ema(9, source=rsi(14)) > 50", "ema(9, source=rsi(14)) > 50"),
        ("mavp(periods=ht_dcperiod()) < close", "mavp(2, 30, periods=ht_dcperiod()) < close"),
        ("obv() > ema(20, source=obv())", "obv() > ema(20, source=obv())"),
        ("close crosses above vwap()", "close crosses above vwap()"),
        ("NOT rsi(14)<30", "not rsi(14) < 30"),
        ("not (rsi(14) < 30)", "not rsi(14) < 30"),
        ("not not ((close > 3))", "close > 3"),
        ("(close) > (3)", "close > 3"),
        ("not (close + 1) * 2 < 5", "not (close + 1) * 2 < 5"),
        ("close>ema(20)+2*atr(14)", "close > ema(20) + 2 * atr(14)"),
        ("(high-low)/close > 0.02", "(high - low) / close > 0.02"),
        ("close -1 > close-1", "close - 1 > close - 1"),
        ("close - -1 > - -2", "close - -1 > 2"),
        ("close > -1 * 2 + 10 / 4", "close > 0.5"),
        ("close > -0", "close > 0"),
        ("close * 2 * 3 > 1", "close * 2 * 3 > 1"),
        ("close * (2 * 3) > 1", "close * 6 > 1"),
        ("close - (open - low) > 1", "close - (open - low) > 1"),
        ("(close - open) - low > 1", "close - open - low > 1"),
        ("close + (open + low) > 1", "close + (open + low) > 1"),
        ("close / (open * low) > 1", "close / (open * low) > 1"),
        ("close - (open * low) > 1", "close - open * low > 1"),
        ("-(close * 2) > -(-close)", "-(close * 2) > --close"),
        ("-close * +2 > 1", "-close * 2 > 1"),
        ("close@4h-1 > 0", "close@4h - 1 > 0"),
        ("rsi(7 * 2, source=high - low) < 30", "rsi(14, source=high - low) < 30"),
        ("close > 1e-5", "close > 1e-05"),
        ("close > max(9) - 1", "close > max(9) - 1"),
    ],
)  # fmt: skip
def test_reads_and_prints_one_canonical_form(text: str, canonical: str):
    condition = parse_condition(text)
    assert str(condition) == canonical
    assert parse_condition(canonical) == condition


def test_gives_typed_operands():
    assert parse_condition("rsi(14, source=hl2)@4h crosses below 30") == Condition(
        Indicator("rsi", (14,), source=Price(PriceField.HL2), timeframe=Timeframe.H4),
        Operator.CROSSES_BELOW,
        Number(30.0),
    )


@settings(max_examples=300, deadline=None)
@given(conditions())
def test_the_canonical_form_reads_back_as_the_same_condition(condition: Condition):
    assert parse_condition(str(condition)) == condition


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("rsx(14) < 30", 1, 'no indicator is called "rsx"; did you mean rsi?'),
        ("clse > 3", 1, 'no price is called "clse"; did you mean close?'),
        ("close > bbands(20).uperband", 20, "middleband, lowerband; did you mean upperband?"),
        ("rsi(timeperod=3) < 2", 5, 'no parameter "timeperod"; did you mean timeperiod?'),
        ("adx(14)@4hours > 2", 9, "6h 8h 12h 1d; did you mean 4h?"),
        ("adx(14)@30m > 2", 9, "30m is not a multiple of the algorithm's timeframe 1h"),
        ("rsi(14) cross above 30", 9, '"cross" found; did you mean crosses?'),
        ("rsi(14) crosses over 30", 17, 'above or below expected, "over" found'),
        ("rsi(14 < 30", 8, ') or a comma expected, "<" found'),
        ("rsi(14) <", 10, "the end found"),
        ("rsi(14)", 8, "the end found"),
        ("close ? 3", 7, '< <= > >= or crosses expected, "?" found'),
        ("rsi(14) < 30 and close > 3", 14, 'the end expected, "and" found'),
        ("  ", 1, "the condition is empty"),
        ("3 > 4", 1, "two numbers are compared"),
        ("close > 1e999", 9, "too large"),
        ("rsi > 3", 1, "rsi is an indicator: write rsi(14)"),
        ("close() > 3", 1, "takes no parameters"),
        ("rsi(1) < 3", 5, "timeperiod of rsi is from 2 to 100000, not 1"),
        ("rsi(14.5) < 3", 5, "whole number"),
        ("close < ma(10, 14)", 16, "matype of ma is from 0 to 13, not 14"),
        ("rsi(14, 5) < 3", 9, "rsi takes one parameter"),
        ("rsi(timeperiod=3, 5) < 2", 19, "cannot follow timeperiod="),
        ("rsi(14, timeperiod=3) < 2", 9, "given twice"),
        ("rsi(timeperiod=close) < 2", 16, "timeperiod is a number"),
        ("rsi(14, source=3) < 2", 16, "source is a price or an indicator"),
        ("atr(14, source=close) > 1", 9, "reads high, low, close and takes no source"),
        ("sma(20, source=rsi(14)@4h) > 3", 23, "timeframe of the indicator around it"),
        ("close > bbands(20)", 9, "say which"),
        ("mavp() > 2", 1, "needs a series of periods"),
        ("mavp(20, 3, periods=close) > 2", 1, "minperiod is above maxperiod"),
        ("0 < " + "ma(source=" * 44 + "close" + ")" * 44, 1, "with all defaults written out"),
        ("3 < " + "a" * 600, 501, "at most 500 characters"),
        ("not", 4, "a number or a price or an indicator expected, the end found"),
        ("not close", 10, "< <= > >= or crosses expected, the end found"),
        ("notional > 3", 1, 'no price is called "notional"'),
        ("nto close > 3", 5, '< <= > >= or crosses expected, "close" found'),
        ("(close > 3", 11, ") expected, the end found"),
        ("(close > 3) > 4", 13, 'the end expected, ">" found'),
        ("close > 3)", 10, 'the end expected, ")" found'),
        ("close > 3%", 10, '+ - * / or the end expected, "%" found'),
        ("close > 2 ^ 3", 11, '+ - * / or the end expected, "^" found'),
        ("close > ema(9)[1]", 15, 'a point or @ or + - * / or the end expected, "[" found'),
        ("close > rsi(14) rsi(3)", 17, 'a point or @ or + - * / or the end expected, "rsi" found'),
        ("rsi(14 % 3) > 1", 8, ') or a comma expected, "%" found'),
        ("close > not 3", 9, "not stands before a whole condition, as in not rsi(14) < 30"),
        ("close + NOT  close > 3", 9, "not stands before a whole condition"),
        ("close > not(3)", 9, "not stands before a whole condition"),
        ("close > not", 9, "not stands before a whole condition"),
        ("nots > 3", 1, 'no price is called "nots"'),
        ("ema(9, source=close@ 4h) > 1", 20, "timeframe of the indicator around it"),
        ("close > 2 *", 12, "a number or a price or an indicator expected, the end found"),
        ("close > * 2", 9, 'a number or a price or an indicator expected, "*" found'),
        ("close > 2 ^ 3", 11, '"^" found'),
        ("close > 2 3", 11, '"3" found'),
        ("close > ema(20) + clse", 19, 'no price is called "clse"; did you mean close?'),
        ("close > open / (2 - 2)", 17, "a division by zero has no value"),
        ("close > 1e300 * 1e300", 15, "1e+300 * 1e+300 is too large"),
        ("close > 1e308 + 1e308", 15, "is too large"),
        ("2 * 3 < 7", 1, "two numbers are compared"),
        ("rsi(close) < 30", 5, "timeperiod is a number; what it is computed on is written source="),
        ("rsi(2 * 0.7) < 30", 5, "whole number, not 1.4"),
        ("ema(9, source=2 * 3) < close", 15, "source is a price or an indicator, not the number 6"),
        ("ema(9, source=high - low@4h) < 1", 25, "timeframe of the indicator around it"),
        ("close > " + "-" * 60 + "open", 59, "at most 50 signs of arithmetic"),
        ("close > open" + " + open" * 60, 364, "at most 50 signs of arithmetic"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_column_and_the_nearest_name(text: str, column: int, sentence: str):
    with pytest.raises(ConditionError) as raised:
        parse_condition(text, Timeframe.H1)
    assert raised.value.column == column
    assert sentence in raised.value.sentence


_PIECES = st.sampled_from(
    ["close", "ema(9)", "rsi(14, source=", "macd().macd", "4h", " crosses above ", "not ", "timeperiod=",
     "source=", "ém", "0", "2", "1e999", "<=", *"()+-*/<>=.,@ "]
)  # fmt: skip


def read_or_refused(text: str, base: Timeframe | None = None) -> int:
    """Return the column of the mistake in a text; 0: there is none, and its canonical form reads back."""
    try:
        condition = parse_condition(text, base)
    except ConditionError as error:
        return error.column
    assert parse_condition(str(condition), base) == condition
    return 0


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=30).map("".join)))
def test_any_text_is_a_condition_or_a_mistake_with_its_column(text: str):
    assert 0 <= read_or_refused(text, Timeframe.H1) <= len(text) + 1


@pytest.mark.parametrize(
    "text",
    [
        "(" * 490 + "close",
        "(" * 240 + "close" + ")" * 240 + " > 1",
        "not " * 120 + "close > 1",
        "not(" * 100 + "close > 1" + ")" * 100,
        "-" * 490 + "close",
        "close" + "-1" * 240 + " > 1",
        "close > " + "-(" * 160 + "open" + ")" * 160,
        "rsi(" * 120 + "close",
        "ema(source=" * 44 + "close",
        "ema(source=-(" * 30 + "close" + "))" * 30 + " > 1",
        "(" * 1_000_000,
        "close > " + "9" * 1_000_000,
        "close > " + "9" * 400,
    ],
)
def test_deep_and_long_texts_end_soon(text: str):
    began_s = time.thread_time()
    assert 0 <= read_or_refused(text) <= MAXIMUM_LENGTH + 1
    assert time.thread_time() - began_s < 1


@pytest.mark.parametrize(
    "text",
    [
        "obv() > 1000",
        "1000 <= obv()",
        "ad() crosses above 0",
        "sma(20, source=obv()) > 3",
        "maxindex(30) > 5",
        "vwap() < close",
        "obv() > sma(20, source=ad())",
        "obv() > sma(20, source=obv())@4h",
        "obv() > obv(source=open)",
        "close crosses above obv() + 1",
        "-obv() > -sma(20, source=obv())",
        "obv() - sma(20, source=obv()) > 0",
        "sma(20, source=obv() * 2) > obv()",
    ],
)
def test_an_anchored_function_is_refused_where_its_level_would_count(text: str):
    with pytest.raises(ConditionError, match="depends on where history starts"):
        parse_condition(text)


@pytest.mark.parametrize(
    "text",
    [
        "obv() > sma(20, source=obv())",
        "obv()@4h > sma(20, source=obv())@4h",
        "minmaxindex(30).minidx < minmaxindex(30).maxidx",
        "close crosses above vwap()",
        "obv() crosses below sma(20, source=obv())",
        "sar() < close",
        "adosc(3, 10) > 0",
    ],
)
def test_an_anchored_function_may_meet_its_own_transforms_and_cross(text: str):
    assert str(parse_condition(text)).startswith(text.split("(", maxsplit=1)[0])
