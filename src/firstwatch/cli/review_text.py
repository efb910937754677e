"""The review of a test as text: reference ranges, the market, exits, months, the worst drawdowns."""

from collections.abc import Mapping
from typing import Any

from firstwatch.cli.output import say, say_table

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def say_review(document: Mapping[str, Any]) -> None:
    """Print ``review`` of a backtest's JSON."""
    review, metrics = document["review"], document["metrics"]
    within = {True: "within", False: "outside", None: None}
    say_table(
        ("FIGURE", "VALUE", "REFERENCE", ""),
        (
            (
                each["metric"],
                _value(each["metric"], each["value"]),
                each["expected"],
                within[each["is_within"]],
            )
            for each in review["references"]
        ),
    )
    gain = None if metrics["total_return"] is None else percent(metrics["total_return"])
    say(f"return {gain or '-'}; the market changed by {percent(review['market_change'])}")
    chance = review["mean_trade_p_value"]
    say(
        "mean trade: fewer than two different trades, so it cannot be held against chance"
        if chance is None
        else f"mean trade: by chance alone as high or higher with a probability of {chance:.3f}"
    )
    if review["exits"]:
        say("")
        say_table(
            ("EXIT", "TRADES", "NET PNL", "MEAN TRADE", "MEAN BARS"),
            (
                (
                    each["reason"],
                    each["trades"],
                    f"{each['net_pnl']:,.2f}",
                    f"{each['average_trade']:,.2f}",
                    f"{each['average_bars']:,.1f}",
                )
                for each in review["exits"]
            ),
        )
    if review["drawdowns"]:
        say("")
        say_table(
            ("DRAWDOWN", "PEAK", "TROUGH", "RECOVERED"),
            (
                (percent(each["depth"]), each["peak"], each["trough"], each["recovered"])
                for each in review["drawdowns"]
            ),
        )
    say("")
    _say_months({each["month"]: each["return"] for each in review["months"]})


def _say_months(returns: Mapping[str, float]) -> None:
    """Print a row for each year."""
    years = sorted({month[:4] for month in returns})
    rows = ((year, *(_short(returns.get(f"{year}-{month:02}")) for month in range(1, 13))) for year in years)
    say_table(("%", *_MONTHS), rows)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value * 100:.1f}"


def percent(value: float) -> str:
    """Return a fraction in per cent, with two decimals."""
    return f"{value * 100:,.2f} %"


def _value(metric: str, value: float | None) -> str | None:
    if value is None:
        return None
    return percent(value) if metric in ("win_rate", "max_drawdown") else f"{value:.2f}"
