"""The recipe of a run: locked at its launch, made anew for each further day, and turned into windows.

Rule 2 of ``firstwatch.watch``.
"""

import hashlib
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from firstwatch.backtest.baseline import costs_of, settings_json, settings_of, settings_of_run
from firstwatch.market.packed import load_baseline_candles
from firstwatch.store import watch
from firstwatch.store.backtests import Backtest, get_backtest, list_backtests
from firstwatch.store.database import Session
from firstwatch.store.rows import row
from firstwatch.store.runs import Run
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.limit_fills import THROUGH, LimitFillsText
from firstwatch.trading.market import Market
from firstwatch.trading.verdicts import DAY_MS
from firstwatch.watch.baseline import baseline_of_launch, key_of
from firstwatch.watch.recipe import Recipe
from firstwatch.watch.windows import Baseline, Carried, Windows


class RunSettings(BaseModel):
    """The run's part of a recipe: the JSON of ``Recipe.settings``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backtest_id: int
    candles: str
    """Fingerprint of the baseline's candles."""
    settings: str
    """The launch settings that the core knows, as a backtest keeps them."""
    market: Market
    slippage_bps: Decimal
    """Slippage, spread and the rule for limits are the baseline's; the fees are the market's."""
    spread_bps: Decimal
    limit_fills: LimitFillsText = THROUGH


def lock_at_launch(
    session: Session, run: Run, spec: AlgorithmSpec, *, begin_ms: int, now_ms: int
) -> Recipe | None:
    """Lock the recipe of the first day, in the transaction that creates the run.

    None: there is no baseline, or its candles were not kept. ``begin_ms``: the open of the first bar that the
    run will decide on.
    """
    found = baseline_of_launch(session, run.version_id, spec, run.settings)
    key = None if found is None else key_of(found, spec)
    if found is None or key is None:
        return None
    costs = costs_of(found.costs_json)
    settings = RunSettings(
        backtest_id=found.id,
        candles=found.candles,
        settings=settings_json(settings_of_run(run.settings)),
        market=run.market,
        slippage_bps=costs.slippage_bps,
        spread_bps=costs.spread_bps,
        limit_fills=costs.limit_fills,
    )
    recipe = Recipe(baseline=key, settings=settings.model_dump_json(), seed=_seed(run.id), begin_ms=begin_ms)
    lock(session, run.id, recipe, now_ms=now_ms)
    return recipe


def lock(session: Session, run_id: str, recipe: Recipe, *, now_ms: int) -> watch.StoredRecipe:
    """Lock the recipe of its day, unless one is locked already; return the locked one."""
    return watch.lock_recipe(
        session, run_id, recipe.day, recipe.canonical_json(), recipe.sha256(), now_ms=now_ms
    )


def recipe_of_day(first: Recipe, day: int, watch_begin_ms: int, carried: Carried) -> Recipe:
    """Return the recipe of a later day: the first one's baseline, settings and seed, and the state that the
    run brings into the day. Its statistics are those of this program."""
    return Recipe(
        baseline=first.baseline,
        settings=first.settings,
        seed=first.seed,
        begin_ms=watch_begin_ms + (day - 1) * DAY_MS,
        day=day,
        carried=carried,
    )


def run_settings_of(recipe: Recipe) -> RunSettings:
    """Return the run's part of a recipe.

    Raises:
        ValueError: the text is damaged.
    """
    return RunSettings.model_validate_json(recipe.settings)


def watched_baseline(session: Session, run: Run) -> tuple[Recipe | None, Backtest | None]:
    """Return the recipe that was locked at a run's launch, and the backtest that the run is compared with.

    Without a recipe the backtest is the newest of its version and symbol from before the launch.

    Raises:
        DamagedRowError: one of them cannot be read.
    """
    stored = watch.recipe_of(session, run.id, 1)
    if stored is not None:
        with row(f"the watch recipe of run {run.id}"):
            recipe = Recipe.model_validate_json(stored.recipe_json)
            return recipe, get_backtest(session, run_settings_of(recipe).backtest_id)
    known = list_backtests(session, run.version_id)
    early = (each for each in known if each.created_at_ms <= run.created_at_ms)
    return None, next((each for each in early if each.symbol == run.settings.symbol), None)


def windows_of(recipe: Recipe, spec: AlgorithmSpec, home: Path) -> Windows:
    """Return the baseline's candles with the run's settings, ready for windows.

    Raises:
        StoreError: the candles are gone or damaged.
        WrongUseError: a session or reset setting that cannot be used.
    """
    mine = run_settings_of(recipe)
    kept = load_baseline_candles(home, mine.candles)
    costs = Costs.of_market(
        mine.market,
        slippage_bps=mine.slippage_bps,
        spread_bps=mine.spread_bps,
        limit_fills=mine.limit_fills,
    )
    return Windows(Baseline(spec, kept.candles, mine.market, costs, settings_of(mine.settings), kept.funding))


def why_no_recipe(found: Backtest | None, run: Run) -> str:
    """Return why a run has no recipe, and what helps, as a clause."""
    make = "make one before the next launch: firstwatch backtest FILE --candles FILE --save"
    if found is None:
        return f"no baseline of {run.settings.name} on {run.settings.symbol} was stored at the launch; {make}"
    return f"the baseline was saved without its candles; {make}"


def _seed(run_id: str) -> int:
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8]) >> 1
