"""``firstwatch backtest``: the exact shapes that others rely on, and mistakes with their place."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from firstwatch.market.files import write_candles
from firstwatch.store.database import open_store
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.market import Market
from tests.backtest.specifications import coarse, random_candles
from tests.candles import generated_candles

METRICS = [
    "total_trades",
    "winning_trades",
    "losing_trades",
    "win_rate",
    "profit_factor",
    "expectancy",
    "net_pnl",
    "total_return",
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown",
    "max_drawdown_usd",
    "max_drawdown_bars",
    "average_trade",
    "average_win",
    "average_loss",
    "largest_win",
    "largest_loss",
    "average_bars",
    "fees",
    "funding",
    "slippage",
    "exposure",
    "long_trades",
    "short_trades",
    "exit_reasons",
]
TRADE = [
    "side",
    "entry_time",
    "entry_price",
    "exit_time",
    "exit_price",
    "amount",
    "pnl",
    "fees",
    "funding",
    "reason",
]


def test_the_json_has_exactly_the_promised_shape(firstwatch, algorithm, candles):
    answer = firstwatch("backtest", algorithm, "--candles", candles, "--json")
    assert answer.code == 0
    document = answer.json
    assert list(document) == [
        "metrics", "about_metrics", "notes", "trades", "equity", "bars", "seconds", "review", "settings",
    ]  # fmt: skip
    assert list(document["review"]) == [
        "references", "market_change", "mean_trade_p_value", "drawdowns", "months", "exits", "underwater",
    ]  # fmt: skip
    assert list(document["settings"]) == [
        "algorithm", "market", "candles", "from", "to", "costs", "settings",
    ]  # fmt: skip
    assert list(document["metrics"]) == METRICS
    assert document["trades"]
    assert all(list(trade) == TRADE for trade in document["trades"])
    assert len(document["equity"]) == document["bars"]
    assert document["trades"][0]["entry_time"].endswith("Z")
    assert sum(document["metrics"]["exit_reasons"].values()) == len(document["trades"])
    about = document["about_metrics"]
    assert "closed trades only" in about["net_pnl"]
    assert "with the open position" in about["total_return"]


def test_ratios_without_a_value_are_null(firstwatch, algorithm, candles):
    document = firstwatch("backtest", algorithm, "--candles", candles, "--capital", "1", "--json").json
    assert document["trades"] == []
    assert document["metrics"]["win_rate"] is None
    assert document["metrics"]["sharpe"] is None
    assert document["about_metrics"]["win_rate"] == "needs a trade"
    assert "30 days" in document["about_metrics"]["sharpe"]


def test_what_the_core_did_not_do_is_said_in_the_json_and_in_the_text(firstwatch, algorithm, candles):
    options = ("--candles", candles, "--capital", "1")
    document = firstwatch("backtest", algorithm, *options, "--json").json
    (note,) = [note for note in document["notes"] if note["code"] == "below_minimum"]
    assert list(note) == ["code", "count", "first_at", "sentence"]
    assert note["sentence"] == f"{note['count']} entries refused: below the minimum of 10 USDC"
    text = firstwatch("backtest", algorithm, *options).out
    assert f"note: {note['sentence']} (first at {note['first_at']})" in text.splitlines()


def test_from_and_to_bound_the_bars(firstwatch, algorithm, candles):
    answer = firstwatch(
        "backtest", algorithm, "--candles", candles, "--from", "2024-02-01", "--to", "2024-02-03", "--json"
    )
    times = [time for time, _ in answer.json["equity"]]
    assert (times[0], times[-1], len(times)) == ("2024-02-01T00:00:00Z", "2024-02-02T23:00:00Z", 48)


def test_the_maker_fee_is_the_fee_unless_it_is_given(firstwatch, tmp_path, algorithm, candles):
    # A target is a resting order: only the maker fee tells these two apart.
    near = tmp_path / "near.toml"
    near.write_text(algorithm.read_text().replace("fraction = 0.10", "fraction = 0.002"))
    both = firstwatch("backtest", near, "--candles", candles, "--fee-bps", "10", "--json").json
    split = firstwatch(
        "backtest", near, "--candles", candles, "--fee-bps", "10", "--maker-fee-bps", "0", "--json"
    ).json
    assert both["metrics"]["exit_reasons"]["take_profit"] > 0
    first = both["trades"][0]
    assert first["fees"] == pytest.approx(
        0.001 * first["amount"] * (first["entry_price"] + first["exit_price"])
    )
    assert split["metrics"]["fees"] < both["metrics"]["fees"]


def test_a_hole_is_reported_with_its_line_and_not_mended(firstwatch, tmp_path, algorithm, candles):
    lines = candles.read_text().splitlines()
    holed = tmp_path / "holed.csv"
    holed.write_text("\n".join(lines[:500] + lines[503:]) + "\n")
    answer = firstwatch("backtest", algorithm, "--candles", holed, "--json")
    assert answer.code == 0
    assert "line 501: 3 bars are missing" in answer.err
    whole = firstwatch("backtest", algorithm, "--candles", candles, "--json")
    assert answer.json["bars"] == whole.json["bars"] - 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("rsi(14) < 30", "rsy(14) < 30"), "did you mean"),
        (("rsi(14) < 30", "obv() < 30"), "obv"),
        (("[entry.long]", "[entry.long"), "a.toml"),
        (("fraction = 0.05", "fractoin = 0.05"), "fractoin"),
    ],
)
def test_a_wrong_algorithm_is_wrong_use_and_says_where(
    firstwatch, tmp_path, algorithm, candles, change, said
):
    wrong = tmp_path / "a.toml"
    wrong.write_text(algorithm.read_text().replace(*change))
    answer = firstwatch("backtest", wrong, "--candles", candles)
    assert answer.code == 2
    assert "a.toml" in answer.err
    assert said in answer.err
    assert "Traceback" not in answer.err


def test_text_in_a_number_is_wrong_use_and_says_line_and_column(firstwatch, tmp_path, algorithm, candles):
    lines = candles.read_text().splitlines()
    cells = lines[10].split(",")
    lines[10] = ",".join([*cells[:2], "n/a", *cells[3:]])
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("\n".join(lines) + "\n")
    answer = firstwatch("backtest", algorithm, "--candles", wrong)
    assert answer.code == 2
    assert "line 11" in answer.err
    assert "n/a" in answer.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--capital", "lots"), "--capital takes a number"),
        (("--capital", "-5"), "--capital must be above 0"),
        (("--leverage", "500"), "--leverage must lie between 1 and 50"),
        (("--from", "yesterday"), "--from takes a time"),
    ],
)
def test_a_wrong_option_is_wrong_use(firstwatch, algorithm, candles, options, said):
    answer = firstwatch("backtest", algorithm, "--candles", candles, *options)
    assert answer.code == 2
    assert said in answer.err


def test_an_error_is_json_too(firstwatch, algorithm, tmp_path):
    answer = firstwatch("backtest", algorithm, "--candles", tmp_path / "none.csv", "--json")
    assert answer.code == 2
    assert "none.csv" in answer.json["error"]


def test_a_saved_backtest_is_the_baseline_of_its_version(firstwatch, algorithm, candles):
    assert firstwatch("backtest", algorithm, "--candles", candles, "--save").code == 0
    assert firstwatch("algorithm", "list", "--json").json[0]["name"] == "RSI reversion"


def test_a_backtest_counts_as_tried_in_a_data_folder_that_there_is(firstwatch, home, algorithm, candles):
    firstwatch("backtest", algorithm, "--candles", candles)
    assert not (home / "firstwatch.db").exists()
    firstwatch("algorithm", "add", algorithm)
    for _ in range(2):
        firstwatch("backtest", algorithm, "--candles", candles)
    firstwatch("backtest", algorithm, "--candles", candles, "--fee-bps", "1")
    store = open_store(home)
    with store.read() as session:
        found = session.exec_driver_sql("SELECT origin, symbol FROM trial").all()
    store.close()
    assert [each.origin for each in found] == ["preview", "preview"]


def test_the_command_imports_only_what_it_needs(home, algorithm, candles):
    code = (
        "import sys; sys.argv = ['firstwatch', 'backtest', sys.argv[1], '--candles', sys.argv[2], '--json']\n"
        "from firstwatch.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'sqlmodel', 'sqlalchemy', 'textual', 'ccxt', 'numba', 'pandas', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(algorithm), str(candles)], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_ends_the_command_quietly(home, algorithm, candles):
    command = [
        sys.executable,
        "-m",
        "firstwatch",
        "backtest",
        str(algorithm),
        "--candles",
        str(candles),
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_a_command_leaves_the_signals_of_its_process_alone(firstwatch):
    before = signal.getsignal(signal.SIGPIPE)
    firstwatch("status")
    assert signal.getsignal(signal.SIGPIPE) is before


def test_a_cheap_coin_is_tested_on_its_own_tick(firstwatch, algorithm, tmp_path):
    """On Bitcoin's tick of 0.01 every stop of a coin of 0.11 lay above the market, and won."""
    made = generated_candles(3, 2_000)
    columns = [np.round(column / 500_000, 6) for column in (made.open, made.high, made.low, made.close)]
    path, market = tmp_path / "candles.csv", tmp_path / "market.toml"
    write_candles(path, CandleArrays(made.time_ms, *columns, made.volume, made.timeframe))
    market.write_text('symbol = "DOGE/USDC:USDC"\ntick = "0.000001"\namount_step = "1"\nprice_figures = 5\n')
    assumed = firstwatch("backtest", algorithm, "--candles", path, "--json").json
    given = firstwatch("backtest", algorithm, "--candles", path, "--market", market, "--json").json
    assert assumed["metrics"]["total_trades"] == given["metrics"]["total_trades"] > 5
    assert assumed["metrics"]["net_pnl"] == pytest.approx(given["metrics"]["net_pnl"], rel=0.03)
    (note,) = [note for note in assumed["notes"] if note["code"] == "assumed_market"]
    assert "tick 0.000001" in note["sentence"]
    assert "BTC" not in note["sentence"]
    said = firstwatch("backtest", algorithm, "--candles", path)
    assert "note: no market file says it, so this is assumed: symbol UNKNOWN/USDC:USDC" in said.out


@pytest.mark.parametrize("command", ["crossvalidate", "usefulness"])
def test_a_job_has_the_rule_for_limits_that_its_command_was_given(
    firstwatch, home, algorithm, candles, command
):
    firstwatch(command, algorithm, "--candles", candles, "--limit-fills", "queue:0.5", "--json")
    store = open_store(home)
    with store.read() as session:
        (asked,) = session.exec_driver_sql("SELECT parameters_json FROM job").scalars()
    store.close()
    assert json.loads(asked)["test"]["limit_fills"] == "queue:0.5"


def test_limit_fills_say_what_a_touched_limit_fills(firstwatch, tmp_path, algorithm):
    limit = tmp_path / "limit.toml"
    text = algorithm.read_text().replace(
        'kind = "market"', 'kind = "limit"\noffset_bps = 30\ntimeout_bars = 3'
    )
    limit.write_text(text.replace("rsi(14) < 30", "rsi(3) < 40"))
    drawn, _ = coarse(3, random_candles(3, 1_500, 0.006), Market())
    write_candles(tmp_path / "coarse.csv", drawn)
    market = tmp_path / "market.toml"
    market.write_text("tick = 0.5\n")
    fees = {}
    for rule in ("through", "queue:0.9", "queue:0.1", "touch"):
        answer = firstwatch(
            "backtest", limit, "--candles", tmp_path / "coarse.csv", "--market", market, "--json",
            "--limit-fills", rule, "--fee-bps", "5", "--maker-fee-bps", "1",
        )  # fmt: skip
        assert answer.code == 0, answer.err
        fees[rule] = answer.json["metrics"]["fees"]
    # What fills at the limit pays the maker's fee, what does not the taker's.
    assert fees["touch"] != fees["through"]
    assert len(set(fees.values())) == 4
    wrong = firstwatch("backtest", limit, "--candles", tmp_path / "coarse.csv", "--limit-fills", "queue:1")
    assert wrong.code == 2
    assert "--limit-fills: limit fills are touch, through or queue:Q" in wrong.err


def test_figures_stand_beside_what_to_hold_them_against(firstwatch, algorithm, candles):
    answer = firstwatch("backtest", algorithm, "--candles", candles)
    document = firstwatch("backtest", algorithm, "--candles", candles, "--json").json
    assert answer.code == 0
    lines = answer.out.splitlines()
    factor = next(line for line in lines if line.startswith("profit_factor") and "above" in line)
    within = document["metrics"]["profit_factor"] > 1.5
    assert factor.split()[2:] == ["above", "1.5", "within" if within else "outside"]
    change = document["review"]["market_change"]
    assert any(line.endswith(f"the market changed by {change * 100:,.2f} %") for line in lines)
    chance = document["review"]["mean_trade_p_value"]
    assert f"with a probability of {chance:.3f}" in answer.out
    assert f"{document['review']['drawdowns'][0]['depth'] * 100:,.2f} %" in answer.out
    assert "2024" in [line.split()[0] for line in lines if line]
