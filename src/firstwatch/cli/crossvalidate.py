"""``firstwatch crossvalidate``: an algorithm on bars that follow those before, fold by fold."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from firstwatch.cli.backtest_options import BacktestOptions, backtest_request, with_backtest_options
from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import progress_bar, say, say_json, say_table
from firstwatch.cli.review_text import percent
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import counted

_VERDICT = {True: "passed: ", False: "not passed: ", None: ""}
"""Before the rule, which says by itself that there is no verdict."""


@with_backtest_options()
def crossvalidate(
    options: BacktestOptions,
    folds: Annotated[
        int, typer.Option(min=1, max=100, metavar="K", help="Parts that are tested, of K + 1.")
    ] = 6,
    sliding: Annotated[
        bool, typer.Option("--sliding", help="Train on the part before each test alone, not on all before.")
    ] = False,
    reoptimise: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            metavar="N",
            help="Search the numbers of each fold anew on the parts before it, by N trials.",
        ),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LOW..HIGH[:STEP]",
            help="A number that --reoptimise varies; without any, those of conditions, stop and target.",
        ),
    ] = None,
    objective: Annotated[str, typer.Option(metavar="METRIC", help="What --reoptimise improves.")] = "sharpe",
    seed: Annotated[int, typer.Option(min=0, max=2**62, metavar="S", help="Of --reoptimise.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1_000, metavar="N", help="Processes; the result is the same.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Test an algorithm on consecutive parts of the candles, the last fifth left out."""
    from firstwatch.engine.jobs.cross_validation import CrossValidationRequest, Reoptimisation
    from firstwatch.engine.jobs.process import run_job_here
    from firstwatch.settings import load_settings
    from firstwatch.trading.jobs import JobKind

    test = backtest_request(options)
    if reoptimise is None and parameter:
        raise WrongUseError("--parameter varies numbers by --reoptimise N: add it.")
    request = CrossValidationRequest(
        test=test,
        folds=folds,
        is_sliding=sliding,
        reoptimisation=None
        if reoptimise is None
        else Reoptimisation(
            trials=reoptimise,
            parameters=tuple(parameter or ()),
            objective=objective,
            seed=seed,
            workers=workers,
        ),
    )
    # Before there is a job: what is wrong with the options.
    request.check()
    title = f"{test.algorithm}, {counted(folds, 'fold')}"
    settings = load_settings()
    if as_json:
        say_json(run_job_here(settings, JobKind.CROSS_VALIDATION, title, request).result)
        return
    with progress_bar() as show:
        found = run_job_here(settings, JobKind.CROSS_VALIDATION, title, request, show=show)
    _say(found.result)


def _say(document: Mapping[str, Any]) -> None:
    say_table(
        ("FOLD", "TEST FROM", "TO", "TRADES", "NET PNL", "DRAWDOWN", "DAILY RATIO"),
        (
            (
                number,
                *(moment[:16] for moment in fold["test"]),
                fold["metrics"]["total_trades"],
                _number(fold["metrics"]["net_pnl"], 2),
                _percent(fold["metrics"]["max_drawdown"]),
                _number(fold["daily_ratio"], 3),
            )
            for number, fold in enumerate(document["folds"], 1)
        ),
    )
    if any("parameters" in fold for fold in document["folds"]):
        say("")
        places = document["folds"][0]["parameters"]
        say_table(
            ("PARAMETER", *(f"FOLD {number}" for number in range(1, len(document["folds"]) + 1))),
            ((place, *(fold["parameters"][place] for fold in document["folds"])) for place in places),
        )
    say("")
    names = ("minimum", "median", "mean", "maximum", "deviation")
    say_table(
        ("FIGURE", *(name.upper() for name in names)),
        (
            (figure, *(_number(spread[name], 4) for name in names))
            for figure, spread in document["spread"].items()
        ),
    )
    say("")
    begin, end = document["holdout"]
    say(f"left out: {begin} to {end}, the last fifth; it stays unseen until a winner is tested on it")
    say(f"{_VERDICT[document['passed']]}{document['rule']}")


def _number(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:,.{digits}f}"


def _percent(value: float | None) -> str | None:
    return None if value is None else percent(value)
