"""The options that all tests share, and the input that they name."""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from decimal import Decimal
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.limit_fills import LimitFills
from firstwatch.trading.numbers import MOST_BARS, decimal_of
from firstwatch.trading.text import quoted

if TYPE_CHECKING:
    from firstwatch.backtest.inputs import BacktestInput, BacktestRequest
    from firstwatch.backtest.settings import BacktestSettings

Algorithm = Annotated[
    Path, typer.Argument(metavar="ALGORITHM", help="A TOML file, or a stored NAME[@VERSION].")
]
AlgorithmFile = Annotated[Path, typer.Argument(metavar="ALGORITHM.toml")]


@dataclass(frozen=True, slots=True)
class BacktestOptions:
    """The options of a test as they were given; what is annotated and set here is what each command shows."""

    algorithm: Algorithm
    candles: Annotated[Path, typer.Option(metavar="FILE", help="A file, or archive:SYMBOL@TIMEFRAME.")]
    funding: Annotated[Path | None, typer.Option(metavar="FILE", help="Funding rates.")] = None
    market: Annotated[Path | None, typer.Option(metavar="FILE", help="Steps, fees, margin (TOML).")] = None
    start: Annotated[str | None, typer.Option("--from", metavar="T", help="First bar; UTC.")] = None
    end: Annotated[str | None, typer.Option("--to", metavar="T", help="First bar after it; UTC.")] = None
    capital: Annotated[str, typer.Option(metavar="QUOTE")] = "10000"
    leverage: Annotated[str, typer.Option(metavar="X")] = "1"
    fee_bps: Annotated[
        str | None, typer.Option(metavar="BPS", help="Taker fee; without it the market's, 4.5 by default.")
    ] = None
    maker_fee_bps: Annotated[
        str | None, typer.Option(metavar="BPS", help="Without it the same as --fee-bps.")
    ] = None
    slippage_bps: Annotated[str, typer.Option(metavar="BPS")] = "2"
    limit_fills: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help="Which bars fill a limit entry that rests at their extreme: touch (all of it), through"
            " (none: a price beyond it is needed) or queue:Q (at most 1 - Q of what the bar traded).",
        ),
    ] = "through"
    trades_limit: Annotated[int | None, typer.Option(min=1, max=MOST_BARS, metavar="N")] = None
    assume_position_now: Annotated[
        bool, typer.Option("--assume-position-now", help="Let the bar before the start decide an entry.")
    ] = False
    session: Annotated[Path | None, typer.Option(metavar="FILE", help="Session calendar (TOML).")] = None
    reset: Annotated[Path | None, typer.Option(metavar="FILE", help="Reset and follow-up chain.")] = None
    guards: Annotated[Path | None, typer.Option(metavar="FILE", help="Guards (TOML).")] = None


Command = Callable[..., None]


def with_backtest_options(algorithm: Any = Algorithm) -> Callable[[Command], Command]:
    """Give a command the options of a test: its first parameter is the ``BacktestOptions``.

    ``algorithm``: how its argument is shown.
    """

    def decorate(command: Command) -> Command:
        def run(**given: Any) -> None:
            options = BacktestOptions(
                **{field.name: given.pop(field.name) for field in fields(BacktestOptions)}
            )
            command(options, **given)

        shared = [
            Parameter(
                field.name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if field.default is MISSING else field.default,
                annotation=algorithm if field.name == "algorithm" else field.type,
            )
            for field in fields(BacktestOptions)
        ]
        own = [
            each.replace(kind=Parameter.KEYWORD_ONLY)
            for each in list(signature(command).parameters.values())[1:]
        ]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        # What the parser of the command line reads.
        run.__signature__ = Signature([*shared[:2], *own, *shared[2:]])  # type: ignore[attr-defined]
        return run

    return decorate


def read_input(options: BacktestOptions) -> "BacktestInput":
    """Read the files and check the numbers.

    Raises:
        WrongUseError: a file or a value is wrong.
    """
    from firstwatch.backtest.inputs import BacktestInput
    from firstwatch.cli.files import read_algorithm, read_given_candles
    from firstwatch.market.assumed import market_of_candles
    from firstwatch.market.files import read_funding
    from firstwatch.market.funding import NO_FUNDING
    from firstwatch.strategy.core_settings import Costs

    spec = read_algorithm(options.algorithm)
    given = read_given_candles(options.candles, options.market)
    market, assumed = market_of_candles(options.candles, given.file.candles, given.market, spec)
    taker, maker = _fees(options)
    return BacktestInput(
        spec,
        given.file,
        market,
        assumed,
        Costs(
            market.taker_fee_bps if taker is None else taker,
            market.maker_fee_bps if maker is None else maker,
            slippage_bps=basis_points(options.slippage_bps, "--slippage-bps"),
            limit_fills=limit_rule(options.limit_fills),
        ),
        _settings(options, market.maximum_leverage),
        NO_FUNDING if options.funding is None else read_funding(options.funding),
        moment(options.start, "--from"),
        moment(options.end, "--to"),
    )


def backtest_request(options: BacktestOptions) -> "BacktestRequest":
    """Return the same as a request that a job can store; its algorithm may also be a stored version.

    The candles are read by the job.

    Raises:
        WrongUseError: a file other than the candles, or a value is wrong.
    """
    from firstwatch.backtest.inputs import BacktestRequest
    from firstwatch.cli.files import read_algorithm_or_version
    from firstwatch.market.archive import REFERENCE

    given = read_algorithm_or_version(options.algorithm)
    taker, maker = _fees(options)
    start_ms, end_ms = moment(options.start, "--from"), moment(options.end, "--to")
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        raise WrongUseError(f"--from must be before --to, not {options.start} and {options.end}.")
    is_file = not str(options.candles).startswith(REFERENCE)
    return BacktestRequest(
        algorithm=given.name,
        spec_json=given.spec.canonical_json(),
        version_id=given.version_id,
        candles=str(options.candles.absolute() if is_file else options.candles),
        market=None if options.market is None else options.market.absolute(),
        funding=None if options.funding is None else options.funding.absolute(),
        from_ms=start_ms,
        to_ms=end_ms,
        taker_fee_bps=taker,
        maker_fee_bps=maker,
        slippage_bps=basis_points(options.slippage_bps, "--slippage-bps"),
        limit_fills=limit_rule(options.limit_fills),
        settings=_settings(options, None),
    )


def _fees(options: BacktestOptions) -> tuple[Decimal | None, Decimal | None]:
    """Return the fees of taker and maker in basis points; None: the market's own."""
    taker = None if options.fee_bps is None else basis_points(options.fee_bps, "--fee-bps")
    if options.maker_fee_bps is None:
        return taker, taker
    return taker, basis_points(options.maker_fee_bps, "--maker-fee-bps")


def _settings(options: BacktestOptions, most_leverage: int | None) -> "BacktestSettings":
    """Return the settings of a test; ``most_leverage``: of the market, None where it is not known yet."""
    from firstwatch.backtest.settings import BacktestSettings
    from firstwatch.market.launch_files import read_guards, read_reset, read_session
    from firstwatch.trading.launch import Guards, SessionSettings

    capital = decimal(options.capital, "--capital")
    leverage = decimal(options.leverage, "--leverage")
    if capital <= 0:
        raise WrongUseError(f"--capital must be above 0, not {options.capital}.")
    if leverage < 1 or (most_leverage is not None and leverage > most_leverage):
        bounds = "be at least 1" if most_leverage is None else f"lie between 1 and {most_leverage}"
        raise WrongUseError(f"--leverage must {bounds}, not {options.leverage}.")
    return BacktestSettings(
        capital=capital,
        leverage=leverage,
        trades_limit=options.trades_limit,
        assume_position_now=options.assume_position_now,
        session=SessionSettings() if options.session is None else read_session(options.session),
        reset=None if options.reset is None else read_reset(options.reset),
        guards=Guards() if options.guards is None else read_guards(options.guards),
    )


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


def limit_rule(text: str) -> LimitFills:
    """Return the rule of ``--limit-fills``.

    Raises:
        WrongUseError: the text is not one.
    """
    try:
        return LimitFills.parse(text)
    except ValueError as error:
        raise WrongUseError(f"--limit-fills: {error}.") from error


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
            f"{option} takes a time such as 2025-01-31 or 2025-01-31T12:00, not {quoted(text)}."
        ) from error
