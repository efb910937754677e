"""Reports of the first watch for tests: one that tells a story, and any that the model allows."""

from decimal import Decimal

from hypothesis import strategies as st

from firstwatch.trading.verdicts import Change, CheckName, MismatchCause, Verdict
from firstwatch.trading.watch import Check, Fan, HourCell, Identity, Locked, Mismatch, SinceStart, WatchReport

BEGAN_MS = 1_764_288_000_000


def report(**changes):
    """Return the report of a run in its eighth hour, whose fills cost more than expected."""
    looks = 96
    spread = [round(0.02 * ((look + 1) / looks) ** 0.5, 6) for look in range(looks)]
    values = {
        "run": "9f3c12ab77aa0001",
        "mode": "paper",
        "day": 1,
        "hours": 7.5,
        "verdict": Verdict.WATCH,
        "locked": Locked(hash="ab" * 32, at=BEGAN_MS),
        "next_look_at": BEGAN_MS + 27_900_000,
        "checks": (
            check(CheckName.SIGNAL_PARITY, Verdict.CONSISTENT, observed=10, expected=10, n=10),
            check(
                CheckName.FILL_PRICES,
                Verdict.WATCH,
                observed=5.1,
                expected=2.0,
                band=(0.4, 3.6),
                n=17,
                e_value=61.0,
                smallest_effect=Change.SLIPPAGE_5,
            ),
            check(
                CheckName.TRADE_FREQUENCY,
                Verdict.CONSISTENT,
                observed=10,
                expected=9,
                band=(6, 15),
                n=10,
                n_expected=9.4,
                p_adjusted=0.61,
            ),
            check(CheckName.DRAWDOWN, Verdict.CONSISTENT, observed=0.011, expected=0.006, band=(0.0, 0.019)),
            check(CheckName.EXITS, Verdict.NOT_ENOUGH_DATA, observed=2, expected=2, band=(0, 6), n=5),
            check(CheckName.COSTS, Verdict.CONSISTENT, observed=4.5, expected=4.5),
            check(CheckName.EDGE, Verdict.NOT_ENOUGH_DATA, more_at=BEGAN_MS + 41 * 86_400_000),
        ),
        "since_start": SinceStart(e_value=1.0),
        "mismatches": (
            Mismatch(
                time=BEGAN_MS + 3_600_000,
                what="long entry",
                cause=MismatchCause.REJECTED,
                shadow="at 119,318",
            ),
        ),
        "identity": Identity(
            live_pnl=Decimal("-4.1"),
            shadow_pnl=Decimal("-3.2"),
            missed=Decimal(0),
            extra=Decimal(0),
            entry=Decimal("-0.6"),
            exit=Decimal("-0.3"),
            exit_reason=Decimal(0),
            size=Decimal(0),
            fees=Decimal(0),
            funding=Decimal(0),
            residual=Decimal(0),
            venue_residual=Decimal("0.0000001"),
        ),
        "hours_strip": tuple(
            HourCell(
                hour=hour,
                trades=hour % 3 if hour <= 7 else None,
                verdict=Verdict.CONSISTENT if hour < 7 else None,
                down_minutes=12.0 if hour == 3 else 0.0,
            )
            for hour in range(24)
        ),
        "fan": Fan(
            minutes=tuple(15.0 * (look + 1) for look in range(looks)),
            p5=tuple(round(1 - each, 6) for each in spread),
            p25=tuple(round(1 - each / 3, 6) for each in spread),
            p50=tuple(round(1 + each / 10, 6) for each in spread),
            p75=tuple(round(1 + each / 2, 6) for each in spread),
            p95=tuple(round(1 + each, 6) for each in spread),
            live=tuple(round(1 - look / 7_500, 6) if look < 30 else None for look in range(looks)),
        ),
        "next": "Nothing to do before hour 24; test again with 5 bps of slippage.",
    }
    return WatchReport(**values | changes)


def check(name, verdict, **values):
    """Return a check with a sentence."""
    return Check(name=name, verdict=verdict, sentence=f"A sentence about {name.replace('_', ' ')}.", **values)


# --- any report that the model allows --------------------------------------------------------------

_moments = st.integers(0, 7_258_118_399_999)
_floats = st.floats(allow_nan=False, allow_infinity=False)
_texts = st.text(st.characters(codec="utf-8", exclude_characters="nNtT"), max_size=120)
"""Without the letters that "nan", "None" and "Traceback" are made of."""
_amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)


def _maybe(strategy):
    return st.none() | strategy


_checks = st.builds(
    Check,
    name=st.sampled_from(CheckName),
    verdict=st.sampled_from(Verdict),
    first_at=_maybe(_moments),
    observed=_maybe(_floats),
    expected=_maybe(_floats),
    band=_maybe(st.tuples(_floats, _floats)),
    n=_maybe(st.integers(-(10**12), 10**12)),
    n_expected=_maybe(_floats),
    p_adjusted=_maybe(_floats),
    e_value=_maybe(_floats),
    smallest_effect=_maybe(st.sampled_from(Change)),
    more_at=_maybe(_moments),
    sentence=_texts,
)
_curves = st.lists(_floats, max_size=12).map(tuple)
_fans = st.builds(
    Fan,
    minutes=_curves,
    p5=_curves,
    p25=_curves,
    p50=_curves,
    p75=_curves,
    p95=_curves,
    live=st.lists(_maybe(_floats), max_size=12).map(tuple),
)
_cells = st.builds(
    HourCell,
    hour=st.integers(0, 23),
    trades=_maybe(st.integers(-5, 10**12)),
    verdict=_maybe(st.sampled_from(Verdict)),
    down_minutes=_floats,
)
reports = st.builds(
    WatchReport,
    run=st.text("0123456789abcdef", min_size=1, max_size=64),
    mode=st.sampled_from(["paper", "testnet", "live"]),
    day=st.integers(1, 10**6),
    hours=st.floats(0, 24),
    verdict=st.sampled_from(Verdict),
    first_at=_maybe(_moments),
    locked=_maybe(st.builds(Locked, hash=_texts, at=_moments)),
    next_look_at=_maybe(_moments),
    checks=st.lists(_checks, max_size=4).map(tuple),
    since_start=st.builds(SinceStart, e_value=_maybe(_floats), verdict=st.sampled_from(Verdict)),
    mismatches=st.lists(
        st.builds(
            Mismatch,
            time=_moments,
            what=_texts,
            cause=st.sampled_from(MismatchCause),
            live=_maybe(_texts),
            shadow=_maybe(_texts),
        ),
        max_size=3,
    ).map(lambda few: tuple(few * 8)),
    identity=_maybe(
        st.builds(
            Identity,
            **dict.fromkeys(set(Identity.model_fields) - {"venue_residual"}, _amounts),
            venue_residual=_maybe(_amounts),
        )
    ),
    hours_strip=st.lists(_cells, max_size=5).map(tuple),
    fan=_maybe(_fans),
    next=_texts,
)
