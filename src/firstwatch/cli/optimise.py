"""``firstwatch optimise``: search for better numbers of an algorithm, and say what the best are worth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from firstwatch.cli.backtest import figure
from firstwatch.cli.backtest_options import BacktestOptions, backtest_request, with_backtest_options
from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import progress_bar, say, say_json, say_table
from firstwatch.trading.numbers import plain, tidy_decimal

_SHAPE = (
    *("best", "trials", "counted_trials", "deflated_sharpe", "overfitting_probability"),
    *("minimum_backtest_days", "holdout", "importance", "pareto"),
)
_SHOWN = ("net_pnl", "sharpe", "profit_factor", "win_rate", "max_drawdown", "total_trades")


@with_backtest_options()
def optimise(
    options: BacktestOptions,
    parameter: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=LOW..HIGH[:STEP]",
            help="A number by its place, as 'entry.long.required[0].rsi.period=5..30'; may be given again.",
        ),
    ],
    trials: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="In all.")] = 100,
    objective: Annotated[
        str, typer.Option(metavar="METRIC[,METRIC]", help="What to improve; two give a Pareto front.")
    ] = "sharpe",
    constraint: Annotated[
        list[str] | None,
        typer.Option(metavar="CONSTRAINT", help="As 'max_drawdown<0.2'; may be given again."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1_000, metavar="N", help="Processes; the result is the same.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, metavar="S", help="Of the search.")] = 0,
    study: Annotated[
        str | None, typer.Option(metavar="NAME", help="Go on with the study of that name, or begin it.")
    ] = None,
    start_from: Annotated[
        list[Path] | None,
        typer.Option(metavar="ALGORITHM", help="Try its numbers first; may be given again."),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Give up a trial that is below the median after a third.")
    ] = False,
    save: Annotated[
        str | None, typer.Option(metavar="NAME", help="Save the best as the next version of NAME.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Search for better numbers of an algorithm, and say what the best are worth.

    The last fifth of the candles is kept back from the search and shows the best once.
    """
    from pydantic import ValidationError

    from firstwatch.cli.files import read_algorithm_or_version
    from firstwatch.engine.jobs.process import run_job_here
    from firstwatch.engine.jobs.studies import OptimisationRequest
    from firstwatch.settings import load_settings
    from firstwatch.trading.errors import WrongUseError
    from firstwatch.trading.jobs import JobKind
    from firstwatch.trading.validation import validation_sentences

    test = backtest_request(options)
    try:
        request = OptimisationRequest(
            test=test,
            parameters=tuple(parameter),
            trials=trials,
            objective=objective,
            constraints=tuple(constraint or ()),
            seed=seed,
            study=study,
            starts=tuple(read_algorithm_or_version(each).spec.canonical_json() for each in start_from or ()),
            prunes=prune,
            workers=workers,
            save=save,
        )
    except ValidationError as error:
        raise WrongUseError("\n".join(validation_sentences(OptimisationRequest, error))) from error
    # Before there is a job: what the options themselves get wrong.
    request.search()
    title = f"{test.algorithm} on {options.candles.name}"
    settings = load_settings()
    if as_json:
        found = run_job_here(settings, JobKind.OPTIMISATION, title, request)
        say_json({name: found.result[name] for name in _SHAPE})
        return
    with progress_bar() as show:
        found = run_job_here(settings, JobKind.OPTIMISATION, title, request, show=show)
    _say(found.result, found.sentence, request.objective.split(","))


def _say(result: Mapping[str, Any], sentence: str, objectives: Sequence[str]) -> None:
    """Print the result for a person."""
    say(f"{result['study']}: {sentence}")
    best, held_out = result["best"], result["holdout"]
    if best is not None:
        say_table(("PARAMETER", "BEST", "IMPORTANCE"), _parameters(best["parameters"], result["importance"]))
        seen = held_out["metrics"] or {}
        names = dict.fromkeys((*objectives, *_SHOWN))
        rows = [(name, figure(best["metrics"][name]), figure(seen.get(name))) for name in names]
        say_table(("METRIC", "SEARCHED", "HELD OUT"), rows)
    elif result["pareto"]:
        points = result["pareto"]
        say_table(
            (*map(str.upper, objectives), "DEFLATED SHARPE", "PARAMETERS"),
            [
                (
                    *map(figure, point["values"]),
                    figure(point["deflated_sharpe"]),
                    ", ".join(f"{name} {_short(value)}" for name, value in point["parameters"].items()),
                )
                for point in points
            ],
        )
    say(result["words"])
    if result["minimum_backtest_days"] is not None:
        say(
            f"Minimum backtest length: {result['minimum_backtest_days']:,.0f} days, below which luck alone "
            "shows such a Sharpe ratio."
        )
    say(
        f"Tried on this market and period: {result['counted_trials']:,}; the hold-out was used before: "
        f"{held_out['used_before']:,}."
    )


def _parameters(values: Mapping[str, float], importance: Mapping[str, float]) -> list[tuple[object, ...]]:
    return [
        (name, _short(value), f"{importance[name]:.0%}" if name in importance else None)
        for name, value in values.items()
    ]


def _short(value: float) -> str:
    return plain(tidy_decimal(value))
