"""What is given to the program: one family a function, each drawing one bad input."""

import gzip
import json
import random
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from firstwatch.store.database import open_store
from firstwatch.strategy.specification import sample_toml

LONG, DEEP = "9" * 4_301, "[" * 20_000
STEERING = "\x1b[2J\x1b]0;x\x07"
NUMBERS = (
    "1e400",
    "1e-400",
    "nan",
    "inf",
    "-Infinity",
    "-1",
    "0x10",
    "1_000",
    "١٢",
    "９",
    LONG,
    "1e16",
    "true",
    "1,5",
    "--5",
    "1e",
    ".",
    "1e99999999",
    STEERING,
    "𝟙",
    "1" + "0" * 400,
    "null",
    "",
    " ",
    "-1e-300",
)
NAMES = (
    "\udcff",
    STEERING,
    "x" * 10_000,
    "",
    " ",
    "../x",
    "a b",
    "@",
    "x@",
    "x@99999999999999999999",
    "x@-1",
    "x@" + LONG,
    "名",
    "\u202ex",
    "x\ny",
    "%s",
    "{0}",
    "[/red]",
    "' OR 1=1 --",
    "NULL",
    "x@٣",
)
TIMES = (
    "0000-00-00",
    "9999-12-31T23:59:59+14:00",
    "0001-01-01",
    "0001-01-01T00:00:00+23:59",
    "10000-01-01",
    "now",
    "2025-13-01",
    "2025-02-30",
    "1e9",
    "-1",
    "2025-01-01T25:00",
    "2200-01-01",
    "\udcff",
    "٢٠٢٥-٠١-٠١",
    "",
    LONG,
    "2025-01-01T00:00:00+99:99",
    STEERING,
)
LITERALS = (
    "true",
    "'x'",
    "-1",
    "1e400",
    "1e-400",
    "nan",
    "inf",
    LONG,
    DEEP,
    "[]",
    "{}",
    "2020-01-01",
    '"\\u0000"',
    "1e300",
    "0",
    "10000000000000000000",
    "[1, 2]",
    "'''" + "x" * 34_000 + "'''",
    "?",
    '"\\u001b[31m"',
    "{a.b=1}",
)
RUN = "a1b2c3d4e5f60718"


@dataclass
class Input:
    """One bad input: a command line and what stands around it."""

    family: str
    words: list[str]
    is_wrong: bool = True
    """The command must not succeed."""
    environment: dict[str, str] = field(default_factory=dict)
    closed: tuple[int, ...] = ()
    is_full: bool = False
    """The standard output takes nothing."""
    secret: bytes | None = None
    """What descriptor 9 gives."""
    touches_store: bool = False
    """The store was damaged on purpose: its rows cannot be compared."""
    call: Callable[[Path], None] | None = None
    """Called in place of a command."""


Draw = Callable[[random.Random, Path], Input]


def number(drawn: random.Random, folder: Path) -> Input:
    text = drawn.choice(NUMBERS)
    start = ["run", "start", "RSI reversion", "--wallet", "demo", "--symbol", "BTC/USDC:USDC"]
    test = ["backtest", str(folder / "a.toml"), "--candles", str(folder / "c.csv")]
    words = drawn.choice(
        [
            ["wallet", "fund", "demo", "--", text],
            ["wallet", "withdraw", "demo", "--", text],
            [*start, f"--capital={text}"],
            [*start, "--capital=5", f"--leverage={text}"],
            [*start, "--capital=5", f"--trades-limit={text}"],
            [*test, f"--capital={text}"],
            [*test, f"--leverage={text}"],
            [*test, f"--fee-bps={text}"],
            [*test, f"--maker-fee-bps={text}"],
            [*test, f"--slippage-bps={text}"],
            [*test, f"--trades-limit={text}"],
            ["events", f"--since={text}"],
            ["agent", "limits", f"--notional-per-day={text}"],
            ["agent", "limits", f"--writes-per-minute={text}"],
            ["agent", "approve", "--", text],
            ["mcp", "token", "create", "x", "--scope=trade", f"--max-capital={text}"],
            ["mcp", "token", "create", "x", f"--expires={text}"],
            ["wallet", "unlock", f"--passphrase-fd={text}"],
            ["wallet", "import", "x", "--venue", "hl", f"--key-fd={text}"],
        ]
    )
    return Input("number", words)


def name(drawn: random.Random, folder: Path) -> Input:
    text = drawn.choice(NAMES)
    words = drawn.choice(
        [
            ["wallet", "create", "--venue", "paper", "--", text],
            ["wallet", "create", "new", f"--venue={text}"],
            ["wallet", "show", "--", text],
            ["wallet", "archive", "--", text],
            ["wallet", "fund", "--", text, "1"],
            ["wallet", "transfer", "--", "demo", text, "1"],
            ["algorithm", "show", "--", text],
            ["agent", "limits", f"--runs=z{text}"],
            ["agent", "limits", f"--wallets=z{text}"],
            ["mcp", "token", "create", "--", text],
            ["mcp", "token", "revoke", "--", text],
            ["mcp", "install", "--print", "--", text],
            [
                "run",
                drawn.choice(["show", "stop", "pause", "resume", "cancel", "close", "follow"]),
                "--",
                f"z{text}",
            ],
            ["run", "start", f"--wallet={text}", "--symbol=S", "--capital=1", "--", "RSI reversion"],
            [
                "run",
                "start",
                "--wallet=demo",
                "--symbol=S",
                "--capital=1",
                f"--parent=z{text}",
                "--",
                "RSI reversion",
            ],
            ["run", "start", "--wallet=demo", f"--symbol={text}", "--capital=1", "--", "RSI reversion"],
            ["run", "stop", RUN, f"--mode={text}"],
            [f"z{text}"],
            ["wallet", f"z{text}"],
            ["status", f"--z{text}"],
            ["algorithm", "check", "--", str(folder / f"none{text[:100]}")],
        ]
    )
    return Input("name", words)


def moment(drawn: random.Random, folder: Path) -> Input:
    option = drawn.choice(["--from", "--to"])
    text = drawn.choice(TIMES)
    words = ["backtest", str(folder / "a.toml"), "--candles", str(folder / "c.csv"), f"{option}={text}"]
    return Input("time", words)


_ALGORITHM_LINES = (
    'name = "RSI reversion"',
    'direction = "long"',
    'timeframe = "1h"',
    "fraction = 0.05",
    "trailing = true",
    "equity = 0.5",
    'kind = "market"',
    'mode = "cooldown_only"',
    "cooldown_bars = 3",
    'required = ["rsi(14) < 30"]',
)
_FREE = {'name = "RSI reversion"': ("'x'",), "trailing = true": ("true",), "cooldown_bars = 3": ("0",)}


def algorithm(drawn: random.Random, folder: Path) -> Input:
    line, literal = drawn.choice(_ALGORITHM_LINES), drawn.choice(LITERALS)
    key = line.partition(" = ")[0]
    text = sample_toml()
    assert line in text
    path = folder / "bad.toml"
    path.write_text(text.replace(line, f"{key} = {literal}", 1), encoding="utf-8")
    words = drawn.choice(
        [
            ["algorithm", "check", str(path)],
            ["algorithm", "add", str(path)],
            ["backtest", str(path), "--candles", str(folder / "c.csv")],
        ]
    )
    return Input("algorithm", words, is_wrong=literal not in _FREE.get(line, ()))


_FILES = {
    "--market": (
        "tick",
        "amount_step",
        "taker_fee_bps",
        "maker_fee_bps",
        "maintenance_rate",
        "maximum_leverage",
        "minimum_cost",
        "contract_size",
        "symbol",
        "whole_leverage",
    ),
    "--guards": ("drawdown", "daily_loss", "losing_trades", "drawdown_action", "stop_mode"),
    "--reset": ("mode", "cooldown_bars", "on_exhausted", "follow_up"),
    "--session": ("policy", "timezone", "windows", "lead_minutes", "calendar"),
}
_MEANT = {
    "symbol": ("'x'",),
    "whole_leverage": ("true",),
    "windows": ("[]",),
    "follow_up": ("[]",),
    "maintenance_rate": ("0", "1e-400"),
    "minimum_cost": ("0", "1e-400"),
    "taker_fee_bps": ("0", "1e-400"),
    "maker_fee_bps": ("0", "1e-400"),
    "cooldown_bars": ("0",),
    "lead_minutes": ("0",),
    "calendar": ("'x'",),
}


def launch_file(drawn: random.Random, folder: Path) -> Input:
    option = drawn.choice(sorted(_FILES))
    key, literal = drawn.choice(_FILES[option]), drawn.choice(LITERALS)
    head = "policy = 'off'\n" if option == "--session" and key != "policy" else ""
    path = folder / "launch.toml"
    path.write_text(f"{head}{key} = {literal}\n", encoding="utf-8")
    words = ["backtest", str(folder / "a.toml"), "--candles", str(folder / "c.csv"), option, str(path)]
    return Input("launch file", words, is_wrong=literal not in _MEANT.get(key, ()))


_HEADER = "date,open,high,low,close,volume\n"
_CELLS = (
    "x",
    "",
    "-1",
    "0",
    "nan",
    "inf",
    "1e400",
    "1e300",
    LONG,
    STEERING,
    "\x00",
    "１",
    "0x1",
    "1_0",
    "'1'",
    "null",
    "=1+1",
    "1;1",
    "1,1",
    "\udcff",
    "--1",
    "9" * 30 + ".5",
)


def table(drawn: random.Random, folder: Path) -> Input:
    rows = [[f"2025-01-01T{hour:02d}:00:00Z", "5", "6", "4", "5", "1"] for hour in range(20)]
    row, column = drawn.randrange(20), drawn.randrange(6)
    cell = drawn.choice(TIMES if column == 0 else _CELLS)
    is_wrong = not (column == 5 and cell == "0")
    rows[row][column] = cell
    text = _HEADER + "".join(",".join(each) + "\n" for each in rows)
    path = folder / "bad.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    words = drawn.choice(
        [
            ["backtest", str(folder / "a.toml"), "--candles", str(path)],
            ["demo", "--headless", "--candles", str(path)],
        ]
    )
    return Input("candle cell", words, is_wrong=is_wrong or words[0] == "demo")


def _content(drawn: random.Random, good: bytes) -> bytes:
    kind = drawn.randrange(12)
    if kind == 0:
        return drawn.randbytes(drawn.randrange(1, 5_000))
    if kind == 1:
        return b""
    if kind == 2:
        return b"\0" * drawn.randrange(1, 100_000)
    if kind == 3:
        return b"a" * 3_000_000
    if kind == 4:
        return b"[[" * 50_000
    if kind == 5:
        return good.decode().encode("utf-16")
    if kind == 6:
        return b"a." * 60_000 + b"a = 1"
    if kind == 7:
        return gzip.compress(b"\0" * 30_000_000)
    if kind == 8:
        return gzip.compress(b"2025-01-01,1,1,1,1,1\n" * 3_000_000, compresslevel=1)
    if kind == 9:
        return gzip.compress(good)[: drawn.randrange(1, 30)]
    if kind == 10:
        return b"a" + STEERING.encode() + b"=" + good[:200]
    return good[: len(good) // 2] + b"\xff\xfe" + good[len(good) // 2 :]


def content(drawn: random.Random, folder: Path) -> Input:
    a, c, bad = (str(folder / each) for each in ("a.toml", "c.csv", "bad.bin"))
    good = (folder / drawn.choice(["a.toml", "c.csv"])).read_bytes()[:20_000]
    (folder / "bad.bin").write_bytes(_content(drawn, good))
    bad = drawn.choice(
        [bad] * 8 + [str(folder), "/dev/zero", "/dev/null", "/dev/full", str(folder / "none"), "/"]
    )
    words = drawn.choice(
        [
            ["algorithm", "check", bad],
            ["algorithm", "add", bad],
            ["backtest", bad, "--candles", c],
            ["backtest", a, "--candles", bad],
            ["backtest", a, "--candles", c, "--funding", bad],
            ["backtest", a, "--candles", c, "--market", bad],
            ["backtest", a, "--candles", c, "--guards", bad],
            ["backtest", a, "--candles", c, "--session", bad],
            ["backtest", a, "--candles", c, "--reset", bad],
            ["demo", "--headless", "--candles", bad],
        ]
    )
    return Input("content of a file", words)


_FORMATS = ("c.parquet", "c.feather", "c.json", "c.zip")


def candle_format(drawn: random.Random, folder: Path) -> Input:
    data = bytearray((folder / drawn.choice(_FORMATS)).read_bytes())
    for _ in range(drawn.randint(1, 5)):
        # The ends of these files say what is in them.
        place = drawn.choice(
            [drawn.randrange(len(data)), drawn.randrange(60), len(data) - drawn.randint(1, 300)]
        )
        place = max(0, min(place, len(data) - 1))
        match drawn.randrange(4):
            case 0:
                data[place] ^= 1 << drawn.randrange(8)
            case 1:
                data[place : place + 8] = drawn.choice([b"\xff" * 8, bytes(8), drawn.randbytes(8)])
            case 2:
                del data[place : place + drawn.randint(1, 200)]
            case _:
                data[place:place] = data[: drawn.randint(1, 200)]
    (folder / "bad.bin").write_bytes(data)
    bad = str(folder / "bad.bin")
    words = drawn.choice(
        [
            ["backtest", str(folder / "a.toml"), "--candles", bad],
            ["backtest", str(folder / "a.toml"), "--candles", str(folder / "c.csv"), "--funding", bad],
            ["candles", "import", bad, "--symbol", "BTC/USDC:USDC"],
        ]
    )
    return Input("candle format", words, is_wrong="--funding" in words)


def archive(drawn: random.Random, folder: Path) -> Input:
    """Draw a name of the archive that is none, or a file of it that is damaged."""
    home = folder / "home"
    text = drawn.choice(NAMES)
    words = drawn.choice(
        [
            ["backtest", str(folder / "a.toml"), f"--candles=archive:{text}@1h"],
            ["backtest", str(folder / "a.toml"), f"--candles=archive:BTC/USDC:USDC@{text}"],
            ["candles", "import", str(folder / "c.csv"), f"--symbol={text or '@'}", "--source=@"],
            ["candles", "import", str(folder / "c.csv"), "--symbol=S", f"--source={text or '@'}"],
            ["candles", "record", f"--venue={text or '@'}", "--symbol=S"],
            ["candles", "list"],
            ["baseline", "make", "--wallet=demo", "--symbol=S", "--capital=1", "--", f"{text}?"],
            ["baseline", "make", "--wallet=demo", "--symbol=S", "--capital=1", f"--candles=z{text}",
             "RSI reversion"],
        ]
    )  # fmt: skip
    if words == ["candles", "list"]:
        place = home / "archive" / "x" / "S" / "1h"
        place.mkdir(parents=True, mode=0o700)
        (place / "2024-01.candles").write_bytes(_content(drawn, b"fwcandl1" + bytes(200)))
    return Input("archive", words)


_SETTINGS = (
    "refresh_hz",
    "theme",
    "keymap",
    "limits",
    "log",
    "venues",
    "limits.capital_share",
    "limits.max_slippage_bps",
    "log.level",
    "venues.p.speed",
    "venues.p.start",
    "venues.p.fee_bps",
    "venues.p.maker_fee_bps",
    "venues.p.slippage_bps",
    "venues.p.latency_ms",
    "venues.p.volume_share",
    "venues.p.seed",
    "venues.p.candles",
    "venues.p.kind",
    "venues.p.while_down",
    "venues.p.feed",
)
_ZERO_IS_MEANT = ("slippage_bps", "latency_ms", "volume_share", "seed", "fee_bps", "maker_fee_bps")


def settings(drawn: random.Random, folder: Path) -> Input:
    key, literal = drawn.choice(_SETTINGS), drawn.choice(LITERALS)
    last = key.rpartition(".")[2]
    head = "venues.p.kind = 'paper'\n" if key.startswith("venues.p.") and last != "kind" else ""
    path = folder / "config.toml"
    path.write_text(f"{head}{key} = {literal}\n", encoding="utf-8")
    is_meant = (
        (last == "theme" and literal.startswith(("'", '"')))
        or (last in _ZERO_IS_MEANT and literal in {"0", "1e-400"})
        or (last in {"limits", "log", "keymap"} and literal == "{}")
    )
    words = drawn.choice([["wallet", "list"], ["status"], ["doctor"]])
    return Input("settings", words, not is_meant, {"FIRSTWATCH_CONFIG": str(path)})


def environment(drawn: random.Random, folder: Path) -> Input:
    (folder / "plain").write_text("x")
    variables = {
        "FIRSTWATCH_REFRESH_HZ": drawn.choice(NUMBERS[:14]),
        "FIRSTWATCH_LIMITS__CAPITAL_SHARE": drawn.choice(NUMBERS[:14]),
        "FIRSTWATCH_VENUES": drawn.choice(
            [DEEP, "{", "[]", '{"a": 1}', "nul", LONG, '{"a": {"kind": "paper", "seed": -1}}']
        ),
        "FIRSTWATCH_VENUES__P__KIND": drawn.choice(["papper", "\udcff", LONG]),
        "FIRSTWATCH_LOG__LEVEL": drawn.choice(["loud", "\udcff", STEERING]),
        "FIRSTWATCH_CONFIG": drawn.choice(
            ["/dev/zero", "/", str(folder / "none"), str(folder / "c.csv"), "\udcff"]
        ),
        "FIRSTWATCH_HOME": drawn.choice(
            ["/dev/null", "/proc", str(folder / "plain"), "x" * 5_000, "/dev/null/x"]
        ),
        "FIRSTWATCH_REFRSH_HZ": "2",
    }
    name = drawn.choice(sorted(variables))
    words = drawn.choice(
        [["wallet", "list"], ["status"], ["run", "list"], ["wallet", "create", "x", "--venue=paper"]]
    )
    return Input("environment", words, environment={name: variables[name]})


def descriptor(drawn: random.Random, folder: Path) -> Input:
    secret = drawn.choice(
        [b"", b"\n", b"\xff\xfe\n", b"x" * 5_000, b"\0\n", b"\r\n", STEERING.encode() + b"\n", b"wrong\n"]
    )
    words = drawn.choice(
        [
            ["wallet", "unlock", "--passphrase-fd", "9"],
            ["wallet", "import", "x", "--venue", "hl", "--key-fd", "9", "--passphrase-fd", "9"],
            ["wallet", "create", "x", "--venue", "hl", "--passphrase-fd", "9"],
            ["engine", "--passphrase-fd", "9"],
        ]
    )
    is_wrong = (secret != STEERING.encode() + b"\n" and secret not in {b"\0\n", b"wrong\n"}) or words[
        1
    ] != "create"
    return Input("descriptor", words, is_wrong, {"FIRSTWATCH_CONFIG": _hyperliquid(folder)}, secret=secret)


def _hyperliquid(folder: Path) -> str:
    path = folder / "hl.toml"
    path.write_text(
        "[venues.hl]\nkind = 'hyperliquid'\nnetwork = 'testnet'\napi_url = 'http://127.0.0.1:9'\n"
    )
    return str(path)


def streams(drawn: random.Random, folder: Path) -> Input:
    words = drawn.choice(
        [
            ["status"],
            ["wallet", "list"],
            ["run", "list", "--json"],
            ["run", "show", RUN],
            ["--version"],
            ["--help"],
            ["doctor"],
            ["algorithm", "check", str(folder / "a.toml")],
            ["run", "follow", RUN[:3] + "zz"],
            ["backtest", str(folder / "a.toml"), "--candles", str(folder / "c.csv"), "--json"],
            ["wallet", "unlock"],
            ["wallet", "import", "x", "--venue", "hl"],
            [],
        ]
    )
    is_full = drawn.random() < 0.4
    closed = () if is_full else drawn.choice([(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
    return Input(
        "streams", words, is_full, {"FIRSTWATCH_CONFIG": _hyperliquid(folder)}, closed=closed, is_full=is_full
    )


_READING = (
    ["run", "list"],
    ["run", "show", RUN],
    ["wallet", "list"],
    ["wallet", "show", "demo"],
    ["status"],
    ["doctor"],
    ["algorithm", "list"],
    ["algorithm", "show", "RSI reversion"],
    ["run", "list", "--json"],
    ["events", "--json"],
    ["agent", "log"],
    ["agent", "limits"],
    ["mcp", "token", "list"],
)


def store(drawn: random.Random, folder: Path) -> Input:
    path = folder / "home" / "firstwatch.db"
    kind = drawn.randrange(5)
    data = bytearray(path.read_bytes())
    if kind == 0:
        for _ in range(drawn.choice([1, 10, 300])):
            data[drawn.randrange(len(data))] ^= 1 << drawn.randrange(8)
    elif kind == 1:
        del data[drawn.randrange(len(data)) :]
    elif kind == 2:
        first = drawn.randrange(len(data))
        data[first : first + 4096] = drawn.randbytes(4096)
    elif kind == 3:
        (folder / "home" / "firstwatch.db-wal").write_bytes(drawn.randbytes(50_000))
    else:
        _change(drawn, path)
        data = bytearray(path.read_bytes())
    path.write_bytes(data)
    return Input("store", list(drawn.choice(_READING)), is_wrong=False, touches_store=True)


def _change(drawn: random.Random, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = drawn.choice(tables)
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info('{table}')")]
        value = drawn.choice(["x", -1, 2**63 - 1, 1e300, b"\xff", "{", DEEP, "", STEERING, "NaN"])
        with suppress(sqlite3.Error):
            if drawn.random() < 0.2:
                connection.execute(f"DROP TABLE '{table}'")
            else:
                connection.execute(f"UPDATE '{table}' SET \"{drawn.choice(columns)}\" = ?", (value,))
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def vault(drawn: random.Random, folder: Path) -> Input:
    from firstwatch.trading.clock import ManualClock
    from firstwatch.trading.errors import FirstwatchError
    from firstwatch.wallets.vault import Vault

    path = next((folder / "home" / "vault").glob("*.json"))
    data = bytearray(path.read_bytes())
    kind = drawn.randrange(4)
    if kind == 0:
        for _ in range(drawn.choice([1, 5, 50])):
            data[drawn.randrange(len(data))] ^= 1 << drawn.randrange(8)
    elif kind == 1:
        del data[drawn.randrange(len(data)) :]
    elif kind == 2:
        data = bytearray(
            drawn.choice([DEEP.encode(), b"{}", b"null", b'{"firstwatch": {}}', b"\0", b"1" * 5_000])
        )
    else:
        text, value = (
            path.read_text(),
            drawn.choice(["true", "-1", "1e400", LONG, "null", "800000000", '"x"']),
        )
        field = drawn.choice(['"n": 2', '"r": 8', '"p": 1', '"version": 3', '"dklen": 32'])
        data = bytearray(text.replace(field, f"{field.partition(':')[0]}: {value}").encode())
    path.write_bytes(data)

    def opened(home: Path) -> None:
        with suppress(FirstwatchError):
            found = Vault(home, ManualClock(1)).open("word")
            for record in Vault(home, ManualClock(1)).records():
                with suppress(FirstwatchError):
                    found.signer(record.venue, record.account)

    is_command = drawn.random() < 0.5
    return Input("vault", ["doctor"], is_wrong=False, call=None if is_command else opened)


def theme(drawn: random.Random, folder: Path) -> Input:
    from firstwatch.tui.themes import load_themes, theme_folder

    good = min(theme_folder().glob("*.toml")).read_text()
    key, literal = drawn.choice(["name", "dark", "primary", "gain", "error", "more"]), drawn.choice(LITERALS)
    lines = [line for line in good.splitlines() if not line.startswith(f"{key} ")]
    themes = folder / "themes"
    themes.mkdir(exist_ok=True)
    (themes / "bad.toml").write_text("\n".join([f"{key} = {literal}", *lines]), encoding="utf-8")
    is_meant = (key == "name" and literal == "'x'") or (key == "dark" and literal == "true")

    def loaded(_: Path) -> None:
        found = load_themes(themes)
        assert bool(found.usable) is is_meant, f"{key} = {literal[:50]}: {found}"
        assert all(each.isprintable() and len(each) <= 1_000 for each in found.problems)

    return Input("theme", [], is_wrong=False, call=loaded)


FAMILIES: tuple[tuple[Draw, int], ...] = (
    (number, 16),
    (name, 14),
    (moment, 5),
    (algorithm, 14),
    (launch_file, 10),
    (table, 8),
    (content, 12),
    (candle_format, 8),
    (archive, 6),
    (settings, 10),
    (environment, 5),
    (descriptor, 4),
    (streams, 6),
    (store, 10),
    (vault, 5),
    (theme, 4),
)


def draw(seed: int, folder: Path) -> Input:
    """Draw the input of that seed; it may write into ``folder`` and damage the data folder in it."""
    drawn = random.Random(seed)
    families, weights = zip(*FAMILIES, strict=True)
    return drawn.choices(families, weights)[0](drawn, folder)


def prepare(folder: Path) -> None:
    """Make the folder that every input gets a copy of: a data folder with a story, and good files."""
    import pyarrow as pa
    from pyarrow import feather
    from pyarrow import parquet as pq

    from firstwatch.market.files import write_candles
    from firstwatch.trading.clock import ManualClock
    from firstwatch.venues.signer import KeyKind
    from firstwatch.wallets.vault import Vault, new_secret
    from tests.candles import generated_candles
    from tests.ui import scenes

    home = folder / "home"
    home.mkdir(mode=0o700)
    scenes.with_alarm(home)
    vault = Vault(home, ManualClock(1), work_factor=2)
    vault.open("word").add(new_secret(), venue="hl", account="0x" + "1" * 40, kind=KeyKind.AGENT)
    (folder / "a.toml").write_text(sample_toml(), encoding="utf-8")
    candles = generated_candles(3, 1_200)
    write_candles(folder / "c.csv", candles)
    names = ("open", "high", "low", "close", "volume")
    frame = pa.table(
        {
            "date": pa.array(candles.time_ms, pa.timestamp("ms")),
            **{name: getattr(candles, name) for name in names},
        }
    )
    pq.write_table(frame, folder / "c.parquet")
    feather.write_feather(frame, folder / "c.feather")
    (folder / "c.json").write_text(json.dumps([list(bar) for bar in candles.bars()]), encoding="ascii")
    with zipfile.ZipFile(folder / "c.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(folder / "c.csv", "c.csv")
    open_store(home).close()
