"""The launch checks (rules 1 to 4 of ``firstwatch.engine``): a finding has figures and a remedy."""

import difflib
from collections.abc import Sequence
from shlex import quote

from firstwatch.backtest.review import LEAST_SHARPE, MOST_DRAWDOWN
from firstwatch.engine.core.hazards import LEAST_ACTIONS, MOST_CLOCK_OFFSET_MS
from firstwatch.engine.launch.adoption import assume_position
from firstwatch.engine.launch.facts import Check, Finding, LaunchFacts
from firstwatch.engine.launch.outcome import differences, first_entry_steps, liquidation_room
from firstwatch.market.assumed import assumption, coarse_tick
from firstwatch.strategy.core_prices import level_distance
from firstwatch.strategy.core_state import NO_LEVEL
from firstwatch.trading.account import ACCOUNT_KIND, Position
from firstwatch.trading.clock import iso
from firstwatch.trading.ids import is_ours, run_of
from firstwatch.trading.launch import NOT_CHECKED
from firstwatch.trading.launch_words import session_words
from firstwatch.trading.orders import OrderReport
from firstwatch.trading.text import counted, quoted
from firstwatch.venues.protocol import LONGEST_WAIT_S

BASELINE_MONTHS = 6
_MONTH_MS = 30 * 24 * 60 * 60 * 1000
MOST_DATA_AGE_MS = 10_000
_STOP_SHARE = 0.8
"""A stop must lie within this share of the way to the liquidation price."""


def _algorithm(facts: LaunchFacts) -> Finding:
    name = facts.settings.name
    if facts.spec is None or facts.algorithm_problem:
        return Finding(False, facts.algorithm_problem, "choose one that `firstwatch algorithm list` shows")
    if facts.settings_problem:
        return Finding(
            False, facts.settings_problem, "change the launch setting or add a new version of the algorithm"
        )
    return Finding(True, f"{name} is valid")


def _wallet(facts: LaunchFacts) -> Finding:
    if facts.wallet_problem:
        return Finding(
            False,
            facts.wallet_problem,
            "choose one that `firstwatch wallet list` shows, or create it with `firstwatch wallet create`",
        )
    if facts.used_by is not None:
        return Finding(
            False,
            f"the wallet {facts.settings.wallet} is in use by the run {facts.used_by}",
            f"stop that run (`firstwatch run stop {facts.used_by}`) or choose another wallet",
        )
    return Finding(True, f"the wallet {facts.settings.wallet} has no active run")


def _venue(facts: LaunchFacts) -> Finding:
    if facts.venue_problem:
        return Finding(
            False, facts.venue_problem, "fix the venue in the settings file or wait until it answers"
        )
    if facts.wallet_problem:
        return _not_checked("the wallet is not known")
    if facts.condition is not None and facts.condition.maintenance:
        return Finding(
            False,
            f"{facts.venue} does not work as usual: {facts.condition.maintenance}",
            "wait until it does, then check again",
        )
    return Finding(True, f"{facts.venue} answers")


def _symbol(facts: LaunchFacts) -> Finding:
    wanted = facts.settings.symbol
    if facts.spec is not None and facts.spec.symbol is not None and facts.spec.symbol != wanted:
        return Finding(
            False,
            f"the algorithm is locked to {facts.spec.symbol}, the launch names {wanted}",
            f"launch it on {facts.spec.symbol}",
        )
    if not facts.symbols:
        return _not_checked("the venue's markets are not known")
    if facts.condition is not None and facts.condition.is_delisted:
        return Finding(
            False,
            f"{wanted} is delisted at {facts.venue}: it takes no more entries",
            "choose another market",
        )
    if facts.market is None:
        near = difflib.get_close_matches(wanted, facts.symbols, n=3, cutoff=0.4) or facts.symbols[:3]
        return Finding(
            False,
            f"{facts.venue} has no market {wanted}",
            f"choose a market that it has, as {' or '.join(near)}",
        )
    return Finding(True, f"{wanted} trades on {facts.venue}")


def _market(facts: LaunchFacts) -> Finding:
    """Check that a simulated venue's assumptions about its market do not decide the run's result."""
    market, condition = facts.market, facts.condition
    if market is None or condition is None:
        return _not_checked("the market is not known")
    if not condition.assumed:
        return Finding(True, f"{facts.venue} gives the market's steps, minimums and fees")
    assumed = assumption(market, condition.assumed)
    if "tick" not in condition.assumed:
        return Finding(True, assumed)
    remedy = f"describe the market in a file: the key market of [venues.{facts.venue}]"
    if facts.spec is None or facts.history is None:
        return _not_checked("algorithm and history must be known")
    problem = coarse_tick(market.tick, facts.spec, facts.history[facts.spec.timeframe])
    return Finding(not problem, f"{problem}; {assumed}" if problem else assumed, remedy)


def _funds(facts: LaunchFacts) -> Finding:
    capital, balance, quote = facts.settings.capital, facts.balance, _quote(facts)
    if balance is None:
        return _not_checked("the wallet's balance is not known")
    if any(approval.name == ACCOUNT_KIND for approval in facts.approvals or ()):
        return _not_checked("the money of an account of this kind cannot be read")
    wallet = facts.settings.wallet
    spot = facts.holdings.spot if facts.holdings is not None else 0
    in_spot = f"; {spot:,.2f} {quote} lie in its spot balance, where they are no margin" if spot else ""
    if spot and capital > balance.free:
        return Finding(
            False,
            f"{wallet} has {balance.free:,.2f} {quote} free for a capital of {capital:,.2f}{in_spot}",
            "move the money from spot to perpetuals at the venue, or set the capital lower",
        )
    if balance.total <= 0:
        return Finding(
            False,
            f"the wallet {wallet} is not funded",
            # Play money is given by amount; real money is sent to an address that the command shows.
            f"fund it: `firstwatch wallet fund {wallet}{f' {capital}' if facts.is_paper else ''}`",
        )
    free = balance.free
    if facts.settings.assume_position_now and facts.position is not None and not facts.position.is_flat:
        # The margin of a position that the run adopts already counts for it.
        free += facts.position.margin
    if capital > free:
        return Finding(
            False,
            f"the capital of {capital:,.2f} {quote} is above the {free:,.2f} {quote} that {wallet} has free",
            f"set the capital to {free:,.2f} or less, or fund the wallet with {capital - free:,.2f} more",
        )
    return Finding(True, f"{free:,.2f} {quote} are free for a capital of {capital:,.2f}")


def _leverage(facts: LaunchFacts) -> Finding:
    leverage, market = facts.settings.leverage, facts.market
    if market is None:
        return _not_checked("the market is not known")
    if leverage > market.maximum_leverage:
        return Finding(
            False,
            f"leverage {leverage} is above the {market.maximum_leverage} that {market.symbol} allows",
            f"set it to {market.maximum_leverage} or less",
        )
    if market.whole_leverage and leverage != leverage.to_integral_value():
        return Finding(
            False,
            f"leverage {leverage} is not a whole number, and {market.symbol} requires one",
            f"set it to {leverage:.0f}",
        )
    return Finding(True, f"leverage {leverage} of at most {market.maximum_leverage}")


def _minimums(facts: LaunchFacts) -> Finding:
    market, core, price = facts.market, facts.core, facts.price
    if market is None or core is None or price is None or facts.flags is None:
        return _not_checked("algorithm, market, price and history must be known")
    amount = market.amount(first_entry_steps(core, price, facts.flags.atr_stop))
    cost = float(amount) * price
    least = max(float(market.minimum_cost), float(market.minimum_amount) * price)
    if amount <= 0 or amount < market.minimum_amount or cost < float(market.minimum_cost):
        return Finding(
            False,
            f"the first entry would be {amount} {market.base}, worth {cost:,.2f} {market.quote};"
            f" the least is {max(least, float(market.amount_step) * price):,.2f}",
            "give the run more capital or leverage, or choose a version with a larger size",
        )
    return Finding(
        True, f"the first entry of about {cost:,.2f} {market.quote} is above the minimum of {least:,.2f}"
    )


def _history(facts: LaunchFacts) -> Finding:
    if facts.spec is None:
        return _not_checked("the algorithm is not known")
    if facts.history is None:
        return _not_checked("the venue's candles could not be read")
    short = [
        f"{len(facts.history[timeframe])} of {counted(needed, 'bar')} of {timeframe}"
        for timeframe, needed in facts.spec.needed_bars().items()
        if len(facts.history[timeframe]) < needed
    ]
    if short:
        return Finding(
            False,
            f"{facts.venue} has only {', '.join(short)}: with fewer, an indicator still depends on where its"
            " history begins, and the run would not decide as its baseline does",
            "wait until there is more history, use shorter periods, or let the feed start later",
        )
    bars = ", ".join(
        f"{counted(len(candles), 'bar')} of {timeframe}" for timeframe, candles in facts.history.items()
    )
    if facts.flags is None or not facts.flags.ready:
        return Finding(
            False,
            f"after {bars} some operand of the algorithm still has no value",
            "look for a function that never has a value (`firstwatch algorithm check`)",
        )
    return Finding(True, f"{bars} warm up the indicators")


def _stop(facts: LaunchFacts) -> Finding:
    core, price = facts.core, facts.price
    if core is None or price is None or facts.flags is None:
        return _not_checked("algorithm, market, price and history must be known")
    if core.stop_kind == NO_LEVEL:
        return Finding(True, "the algorithm has no stop")
    distance = level_distance(core.stop_kind, core.stop_value, price, facts.flags.atr_stop)
    if not distance > 0:
        return _not_checked("the ATR has no value at the last bar")
    room = liquidation_room(core, price)
    stop_percent, room_percent = distance / price * 100, room / price * 100
    if distance > _STOP_SHARE * room:
        return Finding(
            False,
            f"at leverage {facts.settings.leverage} the liquidation price is {room_percent:.2f} % away"
            f" and the stop {stop_percent:.2f} %: it must lie within {_STOP_SHARE * room_percent:.2f} %",
            "lower the leverage or use a closer stop",
        )
    return Finding(True, f"the stop is {stop_percent:.2f} % away, the liquidation price {room_percent:.2f} %")


def _session(facts: LaunchFacts) -> Finding:
    if facts.session_problem:
        return Finding(False, facts.session_problem, "widen the windows or choose a shorter timeframe")
    return Finding(True, f"session: {session_words(facts.settings.session)}")


def _closing(facts: LaunchFacts) -> Finding:
    settings = facts.settings
    if settings.close_position_on_exit:
        return Finding(True, "exit logic closes the position")
    if facts.spec is None:
        return _not_checked("the algorithm is not known")
    if facts.spec.stop_loss is None and not (settings.without_stop_reason or "").strip():
        return Finding(
            False,
            "close on exit is off and the algorithm has no stop: nothing would close a position",
            "write the reason, switch it on, or use a version with a stop",
        )
    return Finding(True, "exit logic raises alerts only; stop and target still execute")


def _position(facts: LaunchFacts) -> Finding:
    case = assume_position(facts)
    return Finding(not case.remedy, case.sentence, case.remedy)


def _approvals(facts: LaunchFacts) -> Finding:
    if facts.approvals is None:
        return _not_checked("the venue's approvals are not known")
    missing = [approval for approval in facts.approvals if not approval.is_given]
    if missing:
        # One action at a time: the next is shown once this one is done.
        more = f" (after it {len(missing) - 1} more)" if len(missing) > 1 else ""
        action = missing[0].action.replace(" NAME", f" {facts.settings.wallet}")
        return Finding(False, f"{missing[0].found}{more}", action or "give this approval and check again")
    adopts = assume_position(facts).adopts is not None
    margin = f"isolated margin at leverage {facts.settings.leverage}"
    sets = f"; the position keeps its {margin}" if adopts else f"; the run sets {margin} and verifies it"
    return Finding(
        True,
        (f"{counted(len(facts.approvals), 'approval')} given" if facts.approvals else "no approval needed")
        + sets,
    )


def _elsewhere(facts: LaunchFacts) -> Finding:
    holdings, symbol = facts.holdings, facts.settings.symbol
    if holdings is None:
        return _not_checked("what the account holds is not known")
    held = [position for position in holdings.positions if position.symbol != symbol]
    orders = [order for order in holdings.orders if order.symbol != symbol]
    others = [
        order
        for order in holdings.orders
        if order.client_order_id is not None
        and is_ours(order.client_order_id)
        and run_of(order.client_order_id) not in facts.known_runs
    ]
    if others:
        return Finding(
            False,
            f"{counted(len(others), 'open order')} in {_named(others)}: of another program, or of this one in"
            f" another data folder (run {run_of(others[0].client_order_id or '')})",
            "stop what sent them and cancel them at the venue: a run wallet is for one run alone",
        )
    if held:
        return Finding(
            False,
            f"the wallet holds positions in {_named(held)}, which no run here would manage",
            "close them at the venue, or use another wallet: a run wallet is for one run alone",
        )
    if orders:
        return Finding(
            False,
            f"the wallet has {counted(len(orders), 'open order')} in {_named(orders)}",
            "cancel them at the venue, or use another wallet: a run wallet is for one run alone",
        )
    return Finding(True, "nothing of the account is in another market")


def _named(things: Sequence[Position] | Sequence[OrderReport]) -> str:
    return ", ".join(dict.fromkeys(thing.symbol for thing in things))


def _clock(facts: LaunchFacts) -> Finding:
    if facts.condition is None:
        return _not_checked("the venue's clock is not known")
    offset_ms = facts.condition.clock_offset_ms
    if offset_ms is None:
        return Finding(True, "the venue's clock does not matter here")
    sentence = (
        f"this machine's clock is {abs(offset_ms) / 1000:.1f} s {'ahead of' if offset_ms > 0 else 'behind'}"
    )
    return Finding(
        abs(offset_ms) <= MOST_CLOCK_OFFSET_MS,
        f"{sentence} that of {facts.venue}",
        "set the clock (NTP): requests are signed by its time, and the venue refuses old and early ones",
    )


def _data(facts: LaunchFacts) -> Finding:
    if facts.condition is None:
        return _not_checked("the age of the prices is not known")
    age_ms = facts.condition.data_age_ms
    if age_ms is None:
        return Finding(True, "prices are read when needed")
    return Finding(
        age_ms <= MOST_DATA_AGE_MS,
        f"the newest streamed price of {facts.settings.symbol} is {age_ms / 1000:.1f} s old",
        "wait until the stream is back (it reconnects by itself), then check again",
    )


def _requests(facts: LaunchFacts) -> Finding:
    if facts.condition is None:
        return _not_checked("the requests left are not known")
    wait_s, left = facts.condition.wait_s, facts.condition.actions_left
    if left is not None and left < LEAST_ACTIONS:
        return Finding(
            False,
            f"{facts.venue} lets this account send {counted(left, 'request')} more; a run needs"
            f" {LEAST_ACTIONS}, orders and cancels",
            "each USDC traded allows one more; use another wallet, or buy requests at the venue",
        )
    if wait_s is not None and wait_s > LONGEST_WAIT_S:
        return Finding(
            False,
            f"the requests of this minute are used up: a launch would wait {wait_s:.0f} s",
            f"check again in {wait_s:.0f} s, or start fewer runs at once",
        )
    return Finding(
        True,
        "enough requests are left" if left is None else counted(left, "action is left", "actions are left"),
    )


def _mainnet(facts: LaunchFacts) -> Finding:
    settings, name = facts.settings, facts.settings.name
    if not facts.is_mainnet:
        return Finding(True, "no real money is used")
    if settings.confirmed_name is None:
        return Finding(True, f"real money: the start requires the run's name typed, {name}")
    return Finding(
        settings.confirmed_name == name,
        f"real money: {quoted(settings.confirmed_name)} was typed, the run is called {name}",
        f"type {name}",
    )


def _baseline(facts: LaunchFacts) -> Finding:
    baseline = facts.baseline
    if baseline is None:
        return Finding(False, _no_baseline(facts), _make_baseline(facts))
    months = (baseline.end_ms - baseline.start_ms) / _MONTH_MS
    seen = f"the baseline covers {iso(baseline.start_ms)} to {iso(baseline.end_ms)}, {months:.1f} months"
    return Finding(
        months >= BASELINE_MONTHS,
        seen,
        f"make it of {BASELINE_MONTHS} months or more of candles: a shorter one calls true runs diverged more"
        " often (6.5 % of days with six weeks, instead of 4.7 %)",
    )


def _baseline_age(facts: LaunchFacts) -> Finding:
    if facts.baseline is None:
        return Finding(False, _no_baseline(facts), _make_baseline(facts))
    if facts.baseline.stale:
        return Finding(False, f"the baseline is stale: {facts.baseline.stale}", _make_baseline(facts))
    return Finding(True, "the baseline is of this version, fresh, and its candles are kept")


def _sharpe(facts: LaunchFacts) -> Finding:
    if facts.baseline is None:
        return Finding(False, _no_baseline(facts), _make_baseline(facts))
    sharpe = facts.baseline.sharpe
    found = "the baseline's Sharpe ratio is " + (
        "undefined (it needs 30 days)" if sharpe is None else f"{sharpe:.2f}"
    )
    return Finding(
        sharpe is not None and sharpe > LEAST_SHARPE, found, f"it should be above {LEAST_SHARPE:g}"
    )


def _drawdown(facts: LaunchFacts) -> Finding:
    if facts.baseline is None:
        return Finding(False, _no_baseline(facts), _make_baseline(facts))
    drawdown = facts.baseline.max_drawdown
    found = "the baseline's largest drawdown is " + ("undefined" if drawdown is None else f"{drawdown:.1%}")
    return Finding(
        drawdown is not None and drawdown < MOST_DRAWDOWN,
        found,
        f"it should be below {MOST_DRAWDOWN:.0%}",
    )


def _cross_validation(facts: LaunchFacts) -> Finding:
    settings, found = facts.settings, facts.cross_validation
    make = (
        f"cross-validate it in Test mode, or by `firstwatch crossvalidate {quote(settings.name)} --candles "
        f"FILE --leverage {settings.leverage:f}`"
    )
    if found is None:
        return Finding(False, f"no cross-validation of {settings.name} on {settings.symbol} is stored", make)
    seen = f"cross-validated from {iso(found.start_ms)} to {iso(found.end_ms)}"
    if found.is_old:
        return Finding(False, f"{seen}, when the program decided otherwise", make)
    if found.leverage < settings.leverage:
        return Finding(
            False, f"{seen} at leverage {found.leverage:f}, and the launch has {settings.leverage:f}", make
        )
    remedy = "test a version that passes" if found.passed is False else f"{make} with more candles"
    return Finding(found.passed is True, f"{seen}: {found.rule}", remedy)


def _same_settings(facts: LaunchFacts) -> Finding:
    if facts.baseline is None:
        return Finding(False, _no_baseline(facts), _make_baseline(facts))
    found = [f"{each.name} {each.here} here, {each.baseline} there" for each in differences(facts)]
    if found:
        return Finding(
            False,
            f"the run differs from its baseline: {'; '.join(found)}",
            f"{_make_baseline(facts)}; or launch with the baseline's settings",
        )
    return Finding(True, "nothing that matters differs from the baseline")


def _capital_share(facts: LaunchFacts) -> Finding:
    if facts.balance is None or facts.balance.total <= 0:
        return _not_checked("the wallet's balance is not known")
    share = float(facts.settings.capital / facts.balance.total)
    found = f"the capital is {share:.0%} of the wallet"
    return Finding(
        share <= facts.capital_share,
        found,
        f"it should be at most {facts.capital_share:.0%} (limits in the settings)",
    )


CHECKS: tuple[Check, ...] = (
    Check("algorithm", True, _algorithm),
    Check("wallet", True, _wallet),
    Check("venue", True, _venue),
    Check("symbol", True, _symbol),
    Check("market", True, _market),
    Check("funds", True, _funds),
    Check("leverage", True, _leverage),
    Check("minimums", True, _minimums),
    Check("history", True, _history),
    Check("stop", True, _stop),
    Check("session", True, _session),
    Check("closing", True, _closing),
    Check("position", True, _position),
    Check("elsewhere", True, _elsewhere),
    Check("clock", True, _clock),
    Check("data", True, _data),
    Check("requests", True, _requests),
    Check("approvals", True, _approvals),
    Check("mainnet", True, _mainnet),
    Check("baseline", False, _baseline),
    Check("baseline age", False, _baseline_age),
    Check("sharpe", False, _sharpe),
    Check("drawdown", False, _drawdown),
    Check("cross-validation", False, _cross_validation),
    Check("same settings", False, _same_settings),
    Check("capital share", False, _capital_share),
)
"""All launch checks; each checks one rule, so that a refusal names one thing to do."""


def _not_checked(why: str) -> Finding:
    return Finding(False, f"{NOT_CHECKED}: {why}", "fix what the other checks name first")


def _no_baseline(facts: LaunchFacts) -> str:
    settings = facts.settings
    none = f"no backtest of {settings.algorithm}@{settings.version} on {settings.symbol} is stored"
    if facts.other_baseline is None:
        return none
    return f"{none}; that of {settings.algorithm}@{facts.other_baseline} is of another version"


def _make_baseline(facts: LaunchFacts) -> str:
    settings = facts.settings
    return (
        f"make one of {BASELINE_MONTHS} months or more of {settings.symbol} candles: in the launcher"
        f" (Baseline), or by `firstwatch baseline make {quote(settings.name)} --wallet {settings.wallet}"
        f" --symbol {settings.symbol} --capital {settings.capital:f}`"
    )


def _quote(facts: LaunchFacts) -> str:
    return "" if facts.market is None else facts.market.quote
