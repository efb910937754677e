import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.strategy import groups
from firstwatch.strategy.conditions import Condition
from firstwatch.strategy.evaluation import evaluate_arrays
from firstwatch.strategy.language import parse_condition
from firstwatch.strategy.specification import (
    AlgorithmError,
    AlgorithmSpec,
    Direction,
    EntryKind,
    Group,
    Level,
    LevelKind,
    SideGroups,
    Sizing,
    SizingKind,
    sample_toml,
)
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import FollowUpSide, OnExhausted, ResetMode
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.toml_text import toml_text
from tests.strategy.conditions import conditions, make_candles

WHOLE = """
name = "RSI reversion"
direction = "both"
timeframe = "1h"
symbol = "BTC/USDC:USDC"

[entry.long]
required = ["rsi(14) < 30"]
optional = ["adx(14)@4h > 25", "close > ema(50)"]

[entry.short]
required = ["rsi(14) > 70"]

[exit.long]
required = ["rsi(14) > 70"]

[stop_loss]
atr = 2.5
period = 14
trailing = true

[take_profit]
amount = 900

[sizing]
risk = 0.01

[order]
kind = "limit"
offset_bps = 5
timeout_bars = 3

[reset]
mode = "strict"
cooldown_bars = 3
on_exhausted = "stop_run"

[[reset.follow_up]]
after = ["stop_loss", "trailing_stop"]
side = "opposite"
wait_bars = 5
within_bars = 20
require_signal = true
size_factor = 0.5
"""
LEAST = """
name = "least"
direction = "long"
timeframe = "1h"
[entry.long]
required = ["rsi(14) < 30"]
[sizing]
equity = 0.5
"""


def test_reads_every_field():
    spec = AlgorithmSpec.from_toml(WHOLE)
    assert (spec.name, spec.direction, spec.timeframe) == ("RSI reversion", Direction.BOTH, Timeframe.H1)
    assert spec.symbol == "BTC/USDC:USDC"
    long = spec.entry.of(Side.LONG)
    assert long is not None
    assert [str(one) for one in long.required] == ["rsi(14) < 30"]
    assert [str(one) for one in long.optional] == ["adx(14)@4h > 25", "close > ema(50)"]
    assert spec.exit.of(Side.SHORT) is None
    assert spec.stop_loss is not None
    assert spec.take_profit is not None
    assert (spec.stop_loss.kind, spec.stop_loss.value, spec.stop_loss.period) == (LevelKind.ATR, 2.5, 14)
    assert (spec.take_profit.kind, spec.take_profit.value) == (LevelKind.AMOUNT, 900.0)
    assert (spec.sizing.kind, spec.sizing.value) == (SizingKind.RISK, 0.01)
    assert (spec.order.kind, spec.order.offset_bps, spec.order.timeout_bars) == (EntryKind.LIMIT, 5.0, 3)
    assert (spec.reset.mode, spec.reset.on_exhausted) == (ResetMode.STRICT, OnExhausted.STOP_RUN)
    link = spec.reset.follow_up[0]
    assert link.after == (ExitReason.STOP_LOSS, ExitReason.TRAILING_STOP)
    assert (link.side, link.wait_bars, link.within_bars) == (FollowUpSide.OPPOSITE, 5, 20)
    assert spec.timeframes() == (Timeframe.H1, Timeframe.H4)


@pytest.mark.parametrize("text", [WHOLE, LEAST, sample_toml()])
def test_toml_and_json_read_back_as_the_same_specification(text: str):
    spec = AlgorithmSpec.from_toml(text)
    assert AlgorithmSpec.from_toml(spec.to_toml()) == spec
    assert AlgorithmSpec.from_toml(spec.to_toml()).to_toml() == spec.to_toml()
    assert AlgorithmSpec.from_json(spec.canonical_json()) == spec
    assert len(spec.sha256()) == 64


def test_one_meaning_has_one_hash():
    spelled_out = LEAST.replace("rsi(14) < 30", "RSI(source=close)<30.00") + (
        '[order]\nkind = "market"\n[reset]\nmode = "cooldown_only"\ncooldown_bars = 0\n'
    )
    assert AlgorithmSpec.from_toml(spelled_out).sha256() == AlgorithmSpec.from_toml(LEAST).sha256()
    other = LEAST.replace("rsi(14) < 30", "rsi(14) <= 30")
    assert AlgorithmSpec.from_toml(other).sha256() != AlgorithmSpec.from_toml(LEAST).sha256()


def test_the_hash_of_a_version_never_changes():
    # Stored versions carry it: a new field or default must leave it as it is.
    assert (
        AlgorithmSpec.from_toml(sample_toml()).sha256()
        == "8ed9a89c91c027fa5aa0e33c951a9208d42e44f2a8f4f91ace1180b52cac0c6d"
    )


def test_the_sample_is_the_one_of_the_benchmarks():
    spec = AlgorithmSpec.from_toml(sample_toml())
    assert [str(one) for one in spec.conditions()] == ["rsi(14) < 30", "rsi(14) > 70"]
    assert spec.stop_loss == Level(fraction=0.05, trailing=True)
    assert spec.take_profit == Level(fraction=0.10)
    assert (spec.sizing, spec.reset.cooldown_bars) == (Sizing(equity=0.5), 3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(conditions(), min_size=1, max_size=3), st.lists(conditions(), max_size=2), st.text(min_size=1)
)
def test_any_conditions_survive_toml(required: list[Condition], optional: list[Condition], name: str):
    clean = "".join(sign for sign in name if sign.isprintable() and sign != "@").strip()[:80].strip() or "a"
    spec = AlgorithmSpec(
        name=clean,
        direction=Direction.SHORT,
        timeframe=Timeframe.H1,
        entry=SideGroups(short=Group(required=tuple(required), optional=tuple(optional))),
        sizing=Sizing(fixed=500.0),
    )
    assert AlgorithmSpec.from_toml(spec.to_toml()) == spec
    assert AlgorithmSpec.from_json(spec.canonical_json()) == spec


@given(
    st.recursive(
        st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=2),
        max_leaves=4,
    ),
    st.sampled_from(["a", "stop at", "a.b", "", "é", 'say "x"', "new\nline", "[a]"])
    | st.text(st.characters(exclude_categories=["Cs"])),
)  # fmt: skip
def test_toml_text_is_read_back_by_the_standard_library(value: object, key: str):
    document = {key: value, f"{key}table": {key: {key: value}}, f"{key}rows": [{key: value}, {"a": 1}]}
    assert tomllib.loads(toml_text(document)) == document


@pytest.mark.parametrize(
    ("entry", "last"),
    [
        ({"required": ["close >"] * 50}, 'entry.long.required[49]: in "close >", column 8: '),
        ({"required": [1] * 51}, "2 mistakes more"),
        ({"required": [1] * 4_000}, "3,951 mistakes more"),
        ({"required": ["x"] * 4_000}, "1 mistake more; 3,950 conditions not read"),
        (
            {"required": ["x"] * 30, "optional": ["x", "close > 1", 1] * 20},
            "21 mistakes more; 1 condition not",
        ),
        ({"when": {"any": [{"any": []}] * 8_000}}, "7,951 mistakes more"),
    ],
)
def test_the_last_line_of_many_mistakes_counts_those_that_have_none(entry, last):
    document = tomllib.loads(sample_toml()) | {"entry": {"long": entry}, "exit": {}}
    with pytest.raises(AlgorithmError) as error:
        AlgorithmSpec.from_json(json.dumps(document), "it")
    lines = str(error.value).split("\n")
    assert len(lines) == len(error.value.mistakes) == 50
    assert lines[-1].startswith(f"it: {last}")


def test_no_more_conditions_are_read_than_mistakes_are_shown(monkeypatch):
    read = []

    def counting(text, base):
        read.append(text)
        return parse_condition(text, base)

    monkeypatch.setattr(groups, "parse_condition", counting)
    document = tomllib.loads(sample_toml()) | {
        "entry": {"long": {"required": ["close > 1", "close >"] * 10_000}}
    }
    with pytest.raises(AlgorithmError):
        AlgorithmSpec.from_json(json.dumps(document))
    assert len(read) == 100


def test_all_mistakes_of_a_file_come_together():
    text = """
name = "x@1"
direction = "lng"
timeframe = "1h"
simbol = "BTC"
[entry.long]
required = ["rsx(14) < 30", "adx(14)@30m > 3"]
[stop_loss]
fraction = 0.05
atr = 3
[sizing]
eqity = 0.5
[[reset.follow_up]]
after = ["stop_los"]
within_bars = 0
"""
    with pytest.raises(WrongUseError) as raised:
        AlgorithmSpec.from_toml(text, "bad.toml")
    lines = str(raised.value).splitlines()
    assert all(line.startswith("bad.toml: ") for line in lines)
    for part in (
        'name: "x@1" is not a name',
        'direction = "lng": it should be long, short or both; did you mean long?',
        "unknown key simbol; did you mean symbol?",
        'entry.long.required[0]: in "rsx(14) < 30", column 1: no indicator is called "rsx"; did you',
        'entry.long.required[1]: in "adx(14)@30m > 3", column 9: 30m is not a multiple of',
        "stop_loss: exactly one of fraction, amount, atr is needed, fraction and atr given",
        "unknown key sizing.eqity; did you mean equity?",
        'reset.follow_up[0].after[0] = "stop_los": it should be signal, stop_loss',
        "reset.follow_up[0].within_bars = 0: it should be 1 or more",
    ):
        assert sum(part in line for line in lines) == 1, part
    assert len(lines) == 9


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('direction = "long"', 'direction = "both"', "entry.short: direction both needs conditions here"),
        ('required = ["rsi(14) < 30"]', "required = []", "entry.long: direction long needs conditions"),
        ("required = [", "requierd = [", "unknown key entry.long.requierd; did you mean required?"),
        ("equity = 0.5", "risk = 0.01", "sizing.risk: needs a stop_loss"),
        ("equity = 0.5", "equity = 1.5", "sizing.equity = 1.5: it should be 1 or less"),
        ("equity = 0.5", "equity = nan", "sizing.equity = nan: it should be a finite number"),
        ("equity = 0.5", "", "exactly one of fixed, equity, risk is needed, none given"),
        ("[sizing]\nequity = 0.5", "", "the key sizing is missing"),
        ('timeframe = "1h"', 'timeframe = "90m"', 'timeframe = "90m": it should be'),
        ('["rsi(14) < 30"]', "[30]", 'a condition is a text like "rsi(14) < 30", not 30'),
        ('["rsi(14) < 30"]', '["obv() > 3"]', "the value of obv depends on where history starts"),
        ("[sizing]", "[stop_loss]\natr = 2\n[sizing]", "atr and period belong together"),
        ("[sizing]", "[stop_loss]\nfraction = 1.2\n[sizing]", "the fraction is below 1"),
        ("[sizing]", "[take_profit]\nfraction = 1\ntrailing = true\n[sizing]", "only a stop can trail"),
        ("[sizing]", '[order]\nkind = "limit"\n[sizing]', "a limit entry needs offset_bps and timeout_bars"),
        ("[sizing]", "[order]\noffset_bps = 3\n[sizing]", 'offset_bps belong to kind = "limit"'),
        ("[sizing]",
         '[[reset.follow_up]]\nafter = ["signal"]\nside = "opposite"\nwithin_bars = 3\n[sizing]',
         "reset.follow_up[0].side: opposite is not allowed by direction long"),
        ("[sizing]", '[[reset.follow_up]]\nafter = []\nwithin_bars = 3\n[sizing]', "after = []: it is empty"),
        ("[sizing]",
         '[[reset.follow_up]]\nafter = ["signal"]\nwait_bars = 3\nwithin_bars = 3\n[sizing]',
         "wait_bars (3) must be below within_bars (3)"),
        ("[sizing]", "[[reset.follow_up]]\nafter = ['signal']\nwithin_bars = 1\n" * 9 + "[sizing]",
         "reset.follow_up: 9 links, at most 8 are allowed"),
        ('name = "least"', 'name = "least"\nsymbol = "BTCUSDT"', "write one like BTC/USDC:USDC"),
        ('name = "least"', 'name = "least', "not valid TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_its_key(old: str, new: str, sentence: str):
    with pytest.raises(WrongUseError) as raised:
        AlgorithmSpec.from_toml(LEAST.replace(old, new, 1), "algo.toml")
    assert str(raised.value).startswith("algo.toml")
    assert sentence in str(raised.value)


def test_damaged_json_is_told():
    with pytest.raises(WrongUseError, match="version 3 is not valid JSON"):
        AlgorithmSpec.from_json("{", "version 3")
    with pytest.raises(WrongUseError, match="not a JSON object"):
        AlgorithmSpec.from_json(json.dumps([1]))


@pytest.mark.parametrize(
    ("condition", "longest", "needed"),
    [
        ("close > open", 1, {"1h": 1_000}),
        ("ema(250) > close", 250, {"1h": 2_500}),
        ("macd(12, 120, 9).macd > 0", 120, {"1h": 1_200}),
        ("rsi(14)@4h > ema(300, source=rsi(14))@1d", 300, {"1h": 3_000, "4h": 3_000, "1d": 3_000}),
        ("ht_sine().sine > 0", 63, {"1h": 1_000}),
        ("kst().kst > 0", 30, {"1h": 1_000}),
        ("close > vidya(100, 25)", 250, {"1h": 2_500}),
    ],
)
def test_needs_ten_times_the_longest_period(condition: str, longest: int, needed: dict[str, int]):
    spec = AlgorithmSpec.from_toml(LEAST.replace("rsi(14) < 30", condition))
    assert spec.longest_period() == longest
    assert {str(timeframe): bars for timeframe, bars in spec.needed_bars().items()} == needed


def test_needs_base_bars_for_the_higher_bar_that_is_open_at_the_start():
    text = LEAST.replace('"1h"', '"1m"').replace("rsi(14) < 30", "rsi(14)@1d < 30")
    assert AlgorithmSpec.from_toml(text).needed_bars() == {Timeframe.M1: 1_440, Timeframe.D1: 1_000}


def test_needs_enough_for_a_first_value_of_nested_indicators():
    inner = "t3(200, 0.7, source=t3(200, 0.7, source=t3(200, 0.7)))"
    spec = AlgorithmSpec.from_toml(LEAST.replace("rsi(14) < 30", f"close > {inner}"))
    assert spec.needed_bars()[Timeframe.H1] == 3 * 6 * 199 + 2


@pytest.mark.parametrize(
    ("condition", "needed"),
    [
        ("close > session_vwap()", {"1m": 1_441}),
        ("close > pivots().r1", {"1m": 2_881}),
        ("close > pivots().r1@1h", {"1m": 1_000, "1h": 1_000}),
        ("close > sma(300, source=session_vwap())", {"1m": 3_000}),
        ("close > sma(90, source=pivots().p)", {"1m": 2_970}),
        ("close > pivots().p@1d", {"1m": 1_440, "1d": 1_000}),
    ],
)
def test_needs_the_days_of_a_function_that_begins_with_them(condition: str, needed: dict[str, int]):
    text = LEAST.replace('"1h"', '"1m"').replace("rsi(14) < 30", condition)
    found = AlgorithmSpec.from_toml(text).needed_bars()
    assert {str(timeframe): bars for timeframe, bars in found.items()} == needed


def test_the_period_of_a_level_counts():
    text = LEAST.replace("[sizing]", "[stop_loss]\natr = 2\nperiod = 200\n[sizing]")
    assert AlgorithmSpec.from_toml(text).longest_period() == 200


def test_warns_of_what_may_surprise():
    text = LEAST.replace('"rsi(14) < 30"', '"obv() > sma(5, source=obv())"') + (
        '[entry.short]\nrequired = ["close > open"]\n'
    )
    anchored, unused, stopless = AlgorithmSpec.from_toml(text).warnings()
    assert "obv" in anchored
    assert "where history starts" in anchored
    assert "entry.short: never used" in unused
    assert "stop_loss" in stopless
    assert AlgorithmSpec.from_toml(sample_toml()).warnings() == ()


@pytest.mark.parametrize(
    ("wanted", "bars"),
    [
        (["close > open"], 0),
        (["rsi(14) < 30"], 14),
        (["sma(20) > close", "rsi(14) < 30"], 19),
        (["close crosses above sma(20)"], 20),
        (["sma(5, source=rsi(14)) < 30"], 18),
        (["rsi(14)@4h < 30"], (14 + 2) * 4 - 2),
        (["close@1d crosses above open@1d"], 2 * 24 - 2 + 1),
        (["close > session_vwap()"], 23),
        (["close > pivots().p", "kst().kst > 0"], 52),
        (["close > ema(20)@4h + 2 * atr(14)"], (19 + 2) * 4 - 2),
        (["-sma(3, source=close - mom(5)) > 1"], 2 + 5),
        (["not close crosses above mom(5) - 1"], 5 + 1),
        (["close > pivots().p"], 47),
        (["close > sma(5, source=session_vwap())@4h"], (4 + 5 + 2) * 4 - 2),
    ],
)
@pytest.mark.parametrize("first_bar", [0, 1, 3, 23])
def test_after_the_warm_up_every_operand_has_a_value(wanted, bars, first_bar):
    names = ", ".join(f'"{each}"' for each in wanted)
    spec = AlgorithmSpec.from_toml(
        f'name = "A"\ndirection = "long"\ntimeframe = "1h"\n[entry.long]\nrequired = [{names}]\n'
        "[sizing]\nequity = 0.5\n"
    )
    assert spec.warm_up_bars() == bars
    ready = evaluate_arrays(spec, make_candles(1, 200, first_bar=first_bar)).first_ready
    assert ready <= bars
    if first_bar == 1 or not any(word in names for word in ("@", "session_vwap", "pivots")):
        assert ready == bars


def test_the_atr_of_a_level_counts_for_the_warm_up():
    spec = AlgorithmSpec.from_toml(sample_toml())
    slow = spec.model_copy(update={"stop_loss": Level(atr=2, period=500)})
    assert slow.warm_up_bars() == 500 > spec.warm_up_bars()


GOLDEN = json.loads(Path(__file__).with_name("canonical.json").read_text(encoding="utf-8"))
"""Canonical texts and hashes as the version before entries in slices wrote them; runs refer to the hashes."""


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: json.loads(row["json"])["name"])
def test_a_stored_version_keeps_its_text_and_its_hash(row: dict[str, str]) -> None:
    spec = AlgorithmSpec.from_json(row["json"])
    assert spec.canonical_json() == row["json"]
    assert spec.sha256() == row["sha256"]
    assert AlgorithmSpec.from_toml(spec.to_toml()) == spec


def test_an_entry_in_slices_has_its_bars_and_nothing_else() -> None:
    text = LEAST + '[order]\nkind = "twap"\nbars = 4\n'
    spec = AlgorithmSpec.from_toml(text)
    assert (spec.order.kind, spec.order.bars) == (EntryKind.TWAP, 4)
    assert spec.document()["order"] == {"kind": "twap", "bars": 4}
    assert AlgorithmSpec.from_json(spec.canonical_json()) == spec
    assert AlgorithmSpec.from_toml(spec.to_toml()) == spec


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ('kind = "twap"', "a twap entry needs bars"),
        ('kind = "twap"\nbars = 0', "order.bars"),
        ('kind = "twap"\nbars = 1001', "order.bars"),
        ('kind = "twap"\nbars = 3\noffset_bps = 5', 'offset_bps belong to kind = "limit"'),
        ('kind = "market"\nbars = 3', 'bars belong to kind = "twap"'),
        ('kind = "limit"\noffset_bps = 5', "a limit entry needs offset_bps and timeout_bars"),
    ],
)
def test_keys_of_another_kind_of_entry_are_refused(order: str, said: str) -> None:
    with pytest.raises(WrongUseError) as raised:
        AlgorithmSpec.from_toml(f"{LEAST}[order]\n{order}\n")
    assert said in str(raised.value)
