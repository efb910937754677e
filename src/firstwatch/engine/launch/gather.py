"""Ask the store and the venue for everything that a launch is judged by."""

from dataclasses import replace

from firstwatch.engine.launch.adoption import assume_position
from firstwatch.engine.launch.checks import CHECKS
from firstwatch.engine.launch.compared import baseline_of, cross_validated_of
from firstwatch.engine.launch.facts import LaunchFacts, judge
from firstwatch.engine.launch.outcome import differences, market_facts, next_trade
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.market.exchange_hours import with_hours
from firstwatch.market.sessions import SessionCalendar
from firstwatch.store import algorithms, backtests, runs, wallets
from firstwatch.store.algorithms import AlgorithmVersion
from firstwatch.store.analyses import latest_analysis
from firstwatch.store.database import Store
from firstwatch.store.wallets import Wallet
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs, settings_of_launch
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.strategy.stream import SignalStream
from firstwatch.trading.errors import VenueError, WrongUseError
from firstwatch.trading.jobs import JobKind
from firstwatch.trading.launch import LaunchPreview, LaunchSettings
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import LONGEST_WAIT_S, Venue
from firstwatch.watch.baseline import baseline_of_launch, stale_because

MOST_SYMBOLS = 1_000
"""Most markets of a venue that a preview lists."""


def gather(
    store: Store, venues: VenueRegistry, settings: LaunchSettings, *, capital_share: float, now_ms: int
) -> LaunchFacts:
    """Return the facts of this launch now; those that could not be read are None.

    Its settings are completed by the hours of the exchange that they name.
    """
    problem = ""
    try:
        settings = settings.model_copy(update={"session": with_hours(settings.session)})
    except WrongUseError as error:
        problem = str(error)
    facts, version, wallet = _from_store(store, LaunchFacts(settings, capital_share, session_problem=problem))
    if version is not None:
        facts = _with_baseline(store, facts, version, now_ms, None)
        facts = _with_cross_validation(store, facts, version)
    if wallet is None:
        return facts
    try:
        venues.require_key(wallet.venue, wallet.account, may_wait=True)
        venue = venues.get(wallet.venue)
        can = venue.capabilities
        facts = replace(facts, venue=venue.name, is_paper=can.is_paper, is_mainnet=can.is_mainnet)
        facts = _from_venue(facts, venue, wallet)
        if version is not None:
            # A paper feed that has not begun starts behind the history just read.
            facts = _with_baseline(store, facts, version, now_ms, venue.now_ms())
    except (VenueError, WrongUseError) as error:
        facts = replace(facts, venue_problem=str(error))
    return facts


def preview(facts: LaunchFacts, now_ms: int) -> LaunchPreview:
    """Return the results of all checks on these facts, and the outcome of a launch."""
    case = assume_position(facts)
    return LaunchPreview(
        checks=judge(CHECKS, facts),
        assume_position=case.sentence,
        adopts=case.adopts,
        is_mainnet=facts.is_mainnet,
        market=market_facts(facts),
        next_trade=next_trade(facts),
        differences=differences(facts),
        symbols=tuple(sorted(facts.symbols)[:MOST_SYMBOLS]),
        time_ms=now_ms,
    )


def read_history(
    venue: Venue, symbol: str, spec: AlgorithmSpec, *, end_ms: int | None = None
) -> dict[Timeframe, CandleArrays]:
    """Return the closed bars that a run warms up with, per timeframe; fewer where the venue has no more.

    Raises:
        VenueError: the venue cannot be asked.
    """
    return {
        timeframe: CandleArrays.from_bars(
            venue.candles(
                symbol, timeframe, end_ms=venue.now_ms() if end_ms is None else end_ms, limit=needed
            ),
            timeframe,
        )
        for timeframe, needed in spec.needed_bars().items()
    }


def _from_store(
    store: Store, facts: LaunchFacts
) -> tuple[LaunchFacts, AlgorithmVersion | None, Wallet | None]:
    settings = facts.settings
    version: AlgorithmVersion | None = None
    wallet: Wallet | None = None
    with store.read() as session:
        try:
            version = algorithms.get_version(session, settings.algorithm, settings.version)
            facts = replace(facts, spec=AlgorithmSpec.from_json(version.spec_json))
            if version.is_archived:
                facts = replace(facts, algorithm_problem=f"the algorithm {version.name} is archived")
        except WrongUseError as error:
            facts = replace(facts, algorithm_problem=str(error))
        try:
            wallet = wallets.get_wallet(session, settings.wallet)
        except WrongUseError as error:
            return replace(facts, wallet_problem=str(error)), version, None
        if wallet.archived_at_ms is not None:
            facts = replace(facts, wallet_problem=f"the wallet {wallet.name} is archived")
        facts = replace(
            facts,
            used_by=wallets.active_run_id(session, wallet.id),
            earlier_runs=frozenset(runs.ids_of_wallet(session, wallet.id)),
            known_runs=frozenset(runs.all_run_ids(session)),
        )
    return facts, version, wallet


def _from_venue(facts: LaunchFacts, venue: Venue, wallet: Wallet) -> LaunchFacts:
    settings, spec, account = facts.settings, facts.spec, wallet.account
    condition = venue.condition(account, settings.symbol)
    markets = venue.markets()
    market = markets.get(settings.symbol)
    facts = replace(facts, symbols=tuple(markets), market=market, condition=condition)
    if condition.wait_s is not None and condition.wait_s > LONGEST_WAIT_S:
        # Every further request would wait as long, as if the venue did not answer.
        return facts
    facts = replace(facts, balance=venue.balance(account))
    if market is None:
        return facts
    holdings = venue.holdings(account)
    facts = replace(
        facts,
        position=venue.position(account, settings.symbol),
        open_orders=[order for order in holdings.orders if order.symbol == settings.symbol],
        holdings=holdings,
        approvals=venue.approvals(account, settings.symbol, settings.leverage),
    )
    if spec is None:
        return replace(facts, touch=venue.touch(settings.symbol))
    problem = facts.session_problem or SessionCalendar(settings.session).problem(spec.timeframe) or ""
    try:
        core = settings_of_launch(spec, settings, market=market, costs=Costs.of_market(market))
        facts = replace(facts, core=core, session_problem=problem)
    except WrongUseError as error:
        facts = replace(facts, settings_problem=str(error), session_problem=problem)
    history = read_history(venue, settings.symbol, spec)
    # A paper feed that has not begun starts behind the history just read, so the price is read after it.
    return replace(
        facts, history=history, flags=SignalStream(spec).warm(history), touch=venue.touch(settings.symbol)
    )


def _with_baseline(
    store: Store, facts: LaunchFacts, version: AlgorithmVersion, now_ms: int, market_ms: int | None
) -> LaunchFacts:
    settings = facts.settings
    with store.read() as session:
        found = None
        if facts.spec is not None:
            found = baseline_of_launch(session, version.id, facts.spec, settings)
        if found is None:
            others = (
                other.number
                for other in reversed(algorithms.list_versions(session, version.name))
                if backtests.latest_backtest(session, other.id, settings.symbol) is not None
            )
            return replace(facts, baseline=None, other_baseline=next(others, None))
    stale = stale_because(found, store.path.parent, now_ms=now_ms, market_ms=market_ms)
    return replace(facts, baseline=replace(baseline_of(found), stale=stale))


def _with_cross_validation(store: Store, facts: LaunchFacts, version: AlgorithmVersion) -> LaunchFacts:
    with store.read() as session:
        found = latest_analysis(
            session,
            JobKind.CROSS_VALIDATION,
            spec_sha256=version.sha256,
            symbol=facts.settings.symbol,
        )
    return facts if found is None else replace(facts, cross_validation=cross_validated_of(found))
