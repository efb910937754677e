"""``firstwatch usefulness``: what each condition of an algorithm is good for."""

from collections.abc import Mapping
from typing import Any

from firstwatch.cli.backtest_options import BacktestOptions, backtest_request, with_backtest_options
from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import progress_bar, say, say_json, say_table
from firstwatch.cli.review_text import percent


@with_backtest_options()
def usefulness(
    options: BacktestOptions,
    as_json: JsonFlag = False,
) -> None:
    """Score each condition by what is lost without it, and list near misses; the last fifth is left out."""
    from firstwatch.engine.jobs.process import run_job_here
    from firstwatch.engine.jobs.usefulness import UsefulnessRequest
    from firstwatch.settings import load_settings
    from firstwatch.trading.jobs import JobKind

    test = backtest_request(options)
    request = UsefulnessRequest(test=test)
    settings = load_settings()
    if as_json:
        say_json(run_job_here(settings, JobKind.USEFULNESS, test.algorithm, request).result)
        return
    with progress_bar() as show:
        found = run_job_here(settings, JobKind.USEFULNESS, test.algorithm, request, show=show)
    _say(found.result)


def _say(document: Mapping[str, Any]) -> None:
    say_table(
        (
            *("CONDITION", "GROUP", "SCORE", "TRUE", "FLIPS", "COMPLETED", "BLOCKED ALONE"),
            *("NET PNL WITHOUT", "SHARPE WITHOUT"),
        ),
        (
            (
                each["condition"],
                each["group"],
                _number(each["score"], ".0f"),
                percent(each["true_share"]),
                each["flips"],
                each["completed"],
                each["blocked_alone"],
                _number(each["ablation"]["net_pnl"], "+,.2f"),
                _number(each["ablation"]["sharpe"], "+.2f"),
            )
            for each in document["conditions"]
        ),
    )
    if document["near_misses"]:
        say("")
        say_table(
            ("NEAR MISS OF", "MISSING", "TIMES", "LAST"),
            (
                (each["group"], each["missing"], each["count"], each["last_at"])
                for each in document["near_misses"]
            ),
        )
    say("")
    say(f"score: {document['formula']}")
    say(f"{document['closes']:,} closes from {document['from']} to {document['to']}; the rest is left out")


def _number(value: float | None, form: str) -> str | None:
    return None if value is None else format(value, form)
