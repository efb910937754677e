"""``firstwatch backtest``: an algorithm on a candle file."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from firstwatch.cli.output import JsonFlag, say, say_json, say_table, say_to_stderr
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.numbers import MOST_BARS, decimal_of


def decimal(text: str, option: str) -> Decimal:
    """Return the number of an option.

    Raises:
        WrongUseError: the text is not a number.
    """
    try:
        return decimal_of(text)
    except ValueError as error:
        raise WrongUseError(f"{option} takes a number: {error}.") from error


def basis_points(text: str, option: str) -> Decimal:
    """Return the basis points of an option for a cost.

    Raises:
        WrongUseError: the text is not a number from 0 to below 10,000.
    """
    value = decimal(text, option)
    if not 0 <= value < 10_000:
        raise WrongUseError(f"{option} must lie between 0 and 10,000, not {text}.")
    return value


def moment(text: str | None, option: str) -> int | None:
    """Return milliseconds since the epoch, UTC, of an option that takes a time; None stays None.

    Raises:
        WrongUseError: the text is not a time.
    """
    from firstwatch.trading.clock import parse_iso

    if text is None:
        return None
    try:
        return parse_iso(text)
    except ValueError as error:
        raise WrongUseError(
            f"{option} takes a time such as 2025-01-31 or 2025-01-31T12:00, not {text!r}."
        ) from error


def backtest(
    algorithm: Annotated[Path, typer.Argument(metavar="ALGORITHM.toml")],
    candles: Annotated[Path, typer.Option(metavar="FILE", help="CSV, plain or gzipped.")],
    funding: Annotated[Path | None, typer.Option(metavar="FILE", help="Funding rates.")] = None,
    market: Annotated[Path | None, typer.Option(metavar="FILE", help="Steps, fees, margin (TOML).")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="T", help="First bar; UTC.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="T", help="First bar after it; UTC.")] = None,
    capital: Annotated[str, typer.Option(metavar="QUOTE")] = "10000",
    leverage: Annotated[str, typer.Option(metavar="X")] = "1",
    fee_bps: Annotated[
        str | None, typer.Option(metavar="BPS", help="Taker fee; without it the market's, 4.5 by default.")
    ] = None,
    maker_fee_bps: Annotated[
        str | None, typer.Option(metavar="BPS", help="Without it the same as --fee-bps.")
    ] = None,
    slippage_bps: Annotated[str, typer.Option(metavar="BPS")] = "2",
    trades_limit: Annotated[int | None, typer.Option(min=1, max=MOST_BARS, metavar="N")] = None,
    assume_position_now: Annotated[
        bool, typer.Option("--assume-position-now", help="Let the bar before the start decide an entry.")
    ] = False,
    session: Annotated[Path | None, typer.Option(metavar="FILE", help="Session calendar (TOML).")] = None,
    reset: Annotated[Path | None, typer.Option(metavar="FILE", help="Reset and follow-up chain.")] = None,
    guards: Annotated[Path | None, typer.Option(metavar="FILE", help="Guards (TOML).")] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Store the algorithm's version and this backtest as its baseline.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show what the algorithm would have done on these candles."""
    from firstwatch.backtest.result_json import to_json
    from firstwatch.backtest.simulate import BacktestSettings, simulate
    from firstwatch.cli.files import read_algorithm
    from firstwatch.market.assumed import market_of_candles
    from firstwatch.market.files import read_candles, read_funding
    from firstwatch.market.launch_files import read_guards, read_market, read_reset, read_session
    from firstwatch.strategy.core_settings import Costs
    from firstwatch.trading.clock import iso
    from firstwatch.trading.launch import Guards, SessionSettings

    spec = read_algorithm(algorithm)
    given = None if market is None else read_market(market)
    file = read_candles(candles)
    chosen, assumed = market_of_candles(candles, file.candles, given, spec)
    taker = chosen.taker_fee_bps if fee_bps is None else basis_points(fee_bps, "--fee-bps")
    maker = chosen.maker_fee_bps if fee_bps is None else taker
    if maker_fee_bps is not None:
        maker = basis_points(maker_fee_bps, "--maker-fee-bps")
    slippage = basis_points(slippage_bps, "--slippage-bps")
    chosen_capital = decimal(capital, "--capital")
    chosen_leverage = decimal(leverage, "--leverage")
    if chosen_capital <= 0:
        raise WrongUseError(f"--capital must be above 0, not {capital}.")
    if not 1 <= chosen_leverage <= chosen.maximum_leverage:
        raise WrongUseError(f"--leverage must lie between 1 and {chosen.maximum_leverage}, not {leverage}.")
    start_ms, end_ms = moment(start, "--from"), moment(end, "--to")
    costs = Costs(taker, maker, slippage_bps=slippage)
    settings = BacktestSettings(
        capital=chosen_capital,
        leverage=chosen_leverage,
        trades_limit=trades_limit,
        assume_position_now=assume_position_now,
        session=SessionSettings() if session is None else read_session(session),
        reset=None if reset is None else read_reset(reset),
        guards=Guards() if guards is None else read_guards(guards),
    )
    result = simulate(
        spec,
        file.candles,
        market=chosen,
        costs=costs,
        settings=settings,
        funding=None if funding is None else read_funding(funding),
        start_ms=start_ms,
        end_ms=end_ms,
        notes=assumed,
    )
    if save:
        from firstwatch.cli.baseline import save_baseline
        from firstwatch.cli.folder import open_folder

        with open_folder() as (_, store):
            version = save_baseline(store, spec, result, market=chosen, costs=costs, settings=settings)
        say_to_stderr(f"saved as the baseline of {version.label} on {chosen.symbol}")
    for hole in file.holes:
        say_to_stderr(f"{candles}: {hole}")
    if as_json:
        say_json(to_json(result))
        return
    say_metrics(to_json(result))
    say(f"{result.bars} bars in {result.seconds:.3f} s")
    for note in result.notes:
        since = "" if note.first_ms is None else f" (first at {iso(note.first_ms)})"
        say(f"note: {note.sentence}{since}")


def say_metrics(document: Mapping[str, Any]) -> None:
    """Print ``metrics`` of a backtest's or a run's JSON, each with its entry in ``about_metrics``."""
    about = document["about_metrics"]
    rows = ((name, figure(value), about.get(name)) for name, value in document["metrics"].items())
    say_table(("METRIC", "VALUE", ""), rows)


def figure(value: object) -> str | None:
    """Return a metric for a person: few digits, exit reasons in one line; None stays None."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or None
    if isinstance(value, float):
        return f"{value:,.4f}"
    return None if value is None else str(value)
