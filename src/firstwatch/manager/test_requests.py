"""The requests of tests, from a draft and the texts of its settings."""

import math
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from firstwatch.backtest.inputs import FROM_VENUE, BacktestRequest
from firstwatch.backtest.optimisation import parse_constraint, parse_objectives
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.engine.jobs.cross_validation import CrossValidationRequest, Reoptimisation
from firstwatch.engine.jobs.studies import OptimisationRequest
from firstwatch.engine.venue_registry import reading_venue
from firstwatch.manager.draft_document import spec_of_document, value_at
from firstwatch.manager.test_views import (
    OWN_PERIOD,
    WHOLE_PERIOD,
    DraftView,
    FoldSettings,
    PlaceView,
    SearchSettings,
    TestSetup,
)
from firstwatch.market.archive import REFERENCE, find_series, read_series
from firstwatch.settings import Settings
from firstwatch.strategy.parameters import Place, parse_parameter, parse_parameters, places, usual_parameters
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import Clock, parse_iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.limit_fills import THROUGH, LimitFills
from firstwatch.trading.validation import validation_sentences

_DAY_MS = 86_400_000


def request_of(draft: DraftView, settings: Settings, clock: Clock) -> BacktestRequest:
    """Return the request for a test of the draft, its period counted back from the end of the candles.

    Raises:
        WrongUseError, VenueError: the draft or a setting is wrong, or there is no such venue or series.
    """
    spec, setup = spec_of_document(draft.document), draft.setup
    version_id = None if draft.is_changed else draft.base_id
    request = request_of_spec(spec, setup, algorithm=draft.name, version_id=version_id)
    begin_ms, end_ms = period_of(setup, lambda: _end_of_candles(setup, settings, clock))
    return BacktestRequest.model_validate({**dict(request), "from_ms": begin_ms, "to_ms": end_ms})


def request_of_spec(
    spec: AlgorithmSpec, setup: TestSetup, *, algorithm: str, version_id: int | None = None
) -> BacktestRequest:
    """Return the request for a test of an algorithm on all candles that a setup names.

    Raises:
        WrongUseError: the setup names no market or no candles.
    """
    symbol = spec.symbol or setup.symbol or None
    if setup.venue and symbol is None:
        raise WrongUseError("Choose a market in the setup.")
    if not setup.venue and setup.candles == FROM_VENUE:
        raise WrongUseError("Without a venue the test needs candles: a series of the archive, or a file.")
    usual = BacktestSettings()
    given = _decimal(setup.capital), _decimal(setup.leverage)
    capital = usual.capital if given[0] is None else given[0]
    leverage = usual.leverage if given[1] is None else given[1]
    if capital <= 0 or leverage <= 0:
        raise WrongUseError("Capital and leverage are above 0; correct the settings of the test.")
    candles = setup.candles
    if candles != FROM_VENUE and not candles.startswith(REFERENCE):
        candles = str(Path(candles).expanduser().absolute())
    return BacktestRequest(
        algorithm=algorithm,
        spec_json=spec.canonical_json(),
        version_id=version_id,
        candles=candles,
        venue=setup.venue or None,
        symbol=symbol,
        taker_fee_bps=_decimal(setup.taker_fee_bps),
        maker_fee_bps=_decimal(setup.maker_fee_bps),
        slippage_bps=_decimal(setup.slippage_bps) or Decimal(0),
        limit_fills=LimitFills.parse(setup.limit_fills or str(THROUGH)),
        settings=BacktestSettings(
            capital=capital,
            leverage=leverage,
            trades_limit=int(setup.trades_limit) if setup.trades_limit else None,
        ),
    )


def validation_of(
    draft: DraftView, wanted: FoldSettings, settings: Settings, clock: Clock
) -> CrossValidationRequest:
    """Return the request for a cross-validation of the draft.

    Raises:
        WrongUseError, VenueError, FirstwatchError: as ``request_of``, or what is searched cannot be used.
    """
    how = Reoptimisation(trials=wanted.trials, parameters=wanted.parameters) if wanted.trials else None
    request = CrossValidationRequest(
        test=request_of(draft, settings, clock),
        folds=wanted.folds,
        is_sliding=wanted.is_sliding,
        reoptimisation=how,
    )
    request.check()
    return request


def optimisation_of(
    draft: DraftView, wanted: SearchSettings, settings: Settings, clock: Clock
) -> OptimisationRequest:
    """Return the request for an optimisation of the draft.

    Raises:
        WrongUseError, VenueError: as ``request_of``, or the search cannot be used.
    """
    try:
        request = OptimisationRequest(
            test=request_of(draft, settings, clock),
            parameters=wanted.parameters,
            trials=wanted.trials,
            objective=wanted.objective,
            constraints=wanted.constraints,
            study=wanted.study or None,
        )
    except ValidationError as error:
        raise WrongUseError("\n".join(validation_sentences(OptimisationRequest, error))) from error
    request.search()
    return request


def places_of(draft: DraftView) -> tuple[PlaceView, ...]:
    """Return the numbers of a valid draft that can be optimised, in the order of its file."""
    spec = spec_of_document(draft.document)
    try:
        usual = {each.place.name: str(each).partition("=")[2] for each in usual_parameters(spec)}
    except WrongUseError:
        usual = {}
    return tuple(_place_view(draft, each, usual.get(each.name)) for each in places(spec))


def _place_view(draft: DraftView, place: Place, usual: str | None) -> PlaceView:
    section, label = "other numbers", place.name.replace("_", " ").replace(".", ", ")
    found = _CONDITION.match(place.name)
    if found is not None:
        text = value_at(draft.document, found[0])
        section = f"{found['side']} {found['kind']}: {text}"
        label = place.name[found.end() + 1 :].replace(".", ", ").replace("timeperiod", "period")
    return PlaceView(
        name=place.name,
        section=section,
        label=label,
        value=place.value,
        is_whole=place.is_whole,
        lowest=place.lowest,
        highest=place.highest,
        proposal=usual or _proposal(place),
    )


_CONDITION = re.compile(r"(?P<kind>entry|exit)\.(?P<side>long|short)\.\w+\[\d+\]")


def range_problem(draft: DraftView, place: str, text: str) -> str:
    """Return what is wrong with a range like ``5..30:1`` for a place; empty: nothing."""
    try:
        parse_parameter(f"{place}={text}", spec_of_document(draft.document))
    except WrongUseError as error:
        return str(error).removeprefix(f'"{place}={text}": ')
    return ""


def search_problem(draft: DraftView, wanted: SearchSettings) -> str:
    """Return what is wrong with a search of a valid draft; empty: nothing."""
    try:
        parse_parameters(wanted.parameters, spec_of_document(draft.document))
        parse_objectives(wanted.objective)
        for each in wanted.constraints:
            parse_constraint(each)
    except WrongUseError as error:
        return str(error)
    return ""


def _proposal(place: Place) -> str:
    """Return a range from half to one and a half of the value, in about twenty steps."""
    low, high = place.value * _HALF, place.value * (2 - _HALF)
    low, high = max(min(low, high), place.lowest), min(max(low, high), place.highest)
    step = 10.0 ** math.floor(math.log10((high - low) / _STEPS)) if high > low else 1.0
    step = next(factor * step for factor in (1, 2, 5, 10) if factor * step * _STEPS >= (high - low) * 0.999)
    if place.is_whole:
        step = max(1.0, step)
        low, high = math.ceil(low), math.floor(high)
    first, last = math.ceil(low / step - 1e-9) * step, math.floor(high / step + 1e-9) * step
    if first >= last:
        first, last = low, low + step
    return f"{first:.10g}..{last:.10g}:{step:.10g}"


_HALF, _STEPS = 0.5, 20


def _decimal(text: str) -> Decimal | None:
    return Decimal(text.replace(",", "")) if text else None


def period_of(setup: TestSetup, end_of_candles_ms: Callable[[], int]) -> tuple[int | None, int | None]:
    """Return begin and end of the period; None: that of the candles, whose end is asked for where it counts.

    Raises:
        WrongUseError: the dates exclude each other.
    """
    if setup.period == WHOLE_PERIOD:
        return None, None
    if setup.period == OWN_PERIOD:
        begin_ms, end_ms = (
            parse_iso(f"{day}T00:00:00Z") if day else None for day in (setup.begin, setup.end)
        )
        if begin_ms is not None and end_ms is not None and begin_ms >= end_ms:
            raise WrongUseError(f"The period is empty: it ends on {setup.end}, not after {setup.begin}.")
        return begin_ms, end_ms
    return end_of_candles_ms() - int(setup.period) * _DAY_MS, None


def _end_of_candles(setup: TestSetup, settings: Settings, clock: Clock) -> int:
    if setup.candles.startswith(REFERENCE):
        times = read_series(settings.home, find_series(settings.home, setup.candles)).candles.time_ms
        return int(times[-1])
    if not setup.venue:
        raise WrongUseError("Choose all candles of a file, or your own dates: its end is not known before.")
    with reading_venue(settings, setup.venue, clock) as venue:
        return venue.now_ms()
