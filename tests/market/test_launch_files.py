"""The small TOML files: both shapes, and mistakes with file, key and nearest name."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel

from firstwatch.market.launch_files import read_guards, read_market, read_reset, read_session
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import FollowUpSide, GuardAction, ResetMode, SessionPolicy, Weekday
from firstwatch.trading.runs import ExitReason

SESSION = """
policy = "flatten"
timezone = "Europe/London"
lead_minutes = 5
windows = [{days = ["mon", "fri"], start = "08:00", end = "24:00"}]
"""
RESET = """
mode = "strict"
cooldown_bars = 2
follow_up = [{after = ["stop_loss"], side = "opposite", within_bars = 9, size_factor = 2}]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "launch.toml"
    path.write_text(text)
    return path


def test_settings_stand_at_the_top_level_or_in_their_table(tmp_path: Path) -> None:
    session = read_session(written(tmp_path, SESSION))
    assert session.policy is SessionPolicy.FLATTEN
    assert session.windows[0].days == (Weekday.MON, Weekday.FRI)
    reset = read_reset(written(tmp_path, RESET))
    assert (reset.mode, reset.cooldown_bars) == (ResetMode.STRICT, 2)
    assert reset.follow_up[0].after == (ExitReason.STOP_LOSS,)
    assert (reset.follow_up[0].side, reset.follow_up[0].size_factor) == (FollowUpSide.OPPOSITE, 2.0)

    everything = written(
        tmp_path,
        f"[session]{SESSION}\n[reset]{RESET}\n[guards]\ndrawdown = 0.2\ndrawdown_action = 'pause'\n"
        "[market]\ntick = 0.1\namount_step = 0.00001\nmaximum_leverage = 40\n",
    )
    assert read_session(everything) == session
    assert read_reset(everything) == reset
    guards = read_guards(everything)
    assert (guards.drawdown, guards.drawdown_action) == (0.2, GuardAction.PAUSE)
    market = read_market(everything)
    assert (market.tick, market.amount_step) == (Decimal("0.1"), Decimal("0.00001"))
    assert market.maximum_leverage == 40
    everything.write_text('[market]\ntick = "0.000001"\namount_step = "1"\n')
    market = read_market(everything)
    assert (market.tick, market.amount_step) == (Decimal("0.000001"), Decimal(1)), "steps may be text"


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (
            read_session,
            SESSION.replace("lead_minutes", "lead_minute"),
            ["unknown key lead_minute", "did you mean lead_minutes?"],
        ),
        (
            read_session,
            SESSION.replace('"flatten"', '"flaten"'),
            ['policy = "flaten"', "did you mean flatten?"],
        ),
        (read_session, SESSION.replace("London", "Londres"), ["timezone", 'no time zone "Europe/Londres"']),
        (
            read_session,
            SESSION.replace("08:00", "8:00"),
            ['windows[0].start = "8:00"', "write it like 09:30"],
        ),
        (
            read_session,
            SESSION.replace("start", "begin"),
            ["windows[0].start is missing", "unknown key windows[0].begin"],
        ),
        (read_session, SESSION.replace('"mon"', '"mo"'), ['windows[0].days[0] = "mo"', "did you mean mon?"]),
        (read_session, 'policy = "flatten"\ncalendar = "XNYX"', ['"XNYX"', "write one like XNYS"]),
        (read_session, f'policy = "off"\ncalendar = "{"x" * 99}"', ["calendar = ", "write it like XNYS"]),
        (
            read_session,
            "lead_minutes = 3",
            ["the key policy is missing; write off or pause_entries or flatten"],
        ),
        (read_session, 'policy = "flatten"', ["needs weekly windows or a calendar"]),
        (read_session, "[guards]\ndrawdown = 0.1", ["holds no session settings"]),
        (
            read_session,
            f"lead_minutes = 3\n[session]{SESSION}",
            ["lead_minutes stands outside of the table [session]"],
        ),
        (
            read_reset,
            RESET.replace("within_bars = 9", "within_bars = 9, wait_bars = 9"),
            ["follow_up[0]: wait_bars (9)"],
        ),
        (
            read_reset,
            RESET.replace("cooldown_bars = 2", "cooldown_bars = '2'"),
            ['cooldown_bars = "2"', "a whole number"],
        ),
        (read_guards, "drawdown = 1.5", ["drawdown = 1.5", "below 1"]),
        (read_guards, "losing_trades = true", ["losing_trades = true", "a whole number"]),
        (read_market, "tick = 0", ["tick = 0", "above 0"]),
        (read_market, "symbol = 'X'\ntick = ?", ["not valid TOML", "line 2"]),
        (read_market, "", ["holds no market settings", "[market]"]),
    ],
)
def test_a_mistake_names_file_and_key(
    tmp_path: Path, read: Callable[[Path], BaseModel], text: str, said: list[str]
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(WrongUseError) as caught:
        read(path)
    for part in [str(path), *said]:
        assert part in str(caught.value)


def test_a_file_that_cannot_be_read_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="cannot be read"):
        read_market(tmp_path / "nothing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(WrongUseError, match="UTF-8"):
        read_market(tmp_path / "binary.toml")
