"""``firstwatch compare``: results of tests side by side, and what differs in their settings."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from firstwatch.cli.backtest import figure
from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import say, say_json, say_table
from firstwatch.trading.errors import WrongUseError

_LONGEST_ID = 15


def compare(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULT...", help="Files that `backtest --json` wrote, or numbers of stored results."
        ),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Show the metrics of two or more results, and the settings in which they differ."""
    from firstwatch.backtest.comparison import differences

    if len(results) < 2:
        raise WrongUseError("Give two results or more to compare.")
    found = [_of_number(int(each)) if _is_number(each) else _of_file(Path(each)) for each in results]
    document = {"results": found, "differences": differences([each["settings"] for each in found])}
    if as_json:
        say_json(document)
        return
    names = list(dict.fromkeys(name for each in found for name in each["metrics"]))
    say_table(
        ("METRIC", *(str(each["id"]) for each in found)),
        ((name, *(figure(each["metrics"].get(name)) for each in found)) for name in names),
    )
    say("")
    if not document["differences"]:
        say("Nothing differs in their settings.")
        return
    say_table(
        ("SETTING", *(str(each["id"]) for each in found)),
        ((each["setting"], *each["values"]) for each in document["differences"]),
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID


def _of_file(path: Path) -> dict[str, Any]:
    """Return the result in a file.

    Raises:
        WrongUseError: it cannot be read, or is not a result with its settings.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongUseError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise WrongUseError(f"{path} is not a result: it is not JSON.") from error
    metrics = document.get("metrics") if isinstance(document, dict) else None
    if not isinstance(metrics, dict):
        raise WrongUseError(f"{path} is not a result: give a file that `firstwatch backtest --json` wrote.")
    if not isinstance(document.get("settings"), dict):
        raise WrongUseError(
            f"{path} has no settings, because an older version wrote it: make it again by `firstwatch "
            "backtest --json`."
        )
    return {"id": str(path), "settings": document["settings"], "metrics": metrics}


def _of_number(number: int) -> dict[str, Any]:
    """Return a stored result.

    Raises:
        WrongUseError: there is none of that number.
        DamagedRowError: it cannot be read.
    """
    from firstwatch.backtest.baseline import costs_of, settings_of
    from firstwatch.backtest.comparison import settings_document
    from firstwatch.cli.folder import open_folder
    from firstwatch.store.rows import row
    from firstwatch.store.test_results import find_result
    from firstwatch.strategy.specification import AlgorithmSpec
    from firstwatch.trading.market import Market

    with open_folder() as (_, store), store.read() as session:
        found = find_result(session, number)
    if found is None:
        raise WrongUseError(f"There is no stored result {number}; a backtest in Test mode stores one.")
    with row(f"test result {number}"):
        settings = settings_document(
            AlgorithmSpec.from_json(found.spec_json),
            market=Market.model_validate_json(found.market_json),
            costs=costs_of(found.costs_json),
            settings=settings_of(found.settings_json),
            candles=found.candles,
            start_ms=found.start_ms,
            end_ms=found.end_ms,
        )
    return {"id": number, "settings": settings, "metrics": found.metrics}
