"""``firstwatch doctor``: check what the program needs, and print the remedies."""

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firstwatch.cli.options import JsonFlag
from firstwatch.cli.output import say, say_json
from firstwatch.cli.secrets import PassphraseFd
from firstwatch.trading.clock import iso
from firstwatch.trading.errors import FirstwatchError, WrongUseError

if TYPE_CHECKING:
    from firstwatch.store.alerts import Failing

_LOW_DISK_BYTES = 500_000_000
_LOGIN_CONFIGURATION = Path("/etc/systemd/logind.conf")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, whether it is in order, and the remedy if it is not."""

    name: str
    is_well: bool
    found: str
    remedy: str = ""


def doctor(
    venue: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Also prove that this venue keeps the stop of an entry."),
    ] = None,
    wallet: Annotated[str | None, typer.Option(metavar="W", help="The wallet for the proof.")] = None,
    symbol: Annotated[str | None, typer.Option(metavar="S", help="Such as BTC/USDC:USDC.")] = None,
    confirm: Annotated[
        str | None, typer.Option(metavar="NAME", help="The venue's name: two orders are sent and cancelled.")
    ] = None,
    passphrase_fd: PassphraseFd = None,
    as_json: JsonFlag = False,
) -> None:
    """Check the machine, the settings, the data folder, the store and the terminal; or also a venue."""
    findings = [look() for look in _LOOKS]
    if venue is not None:
        if wallet is None or symbol is None:
            raise WrongUseError("--venue needs --wallet and --symbol for its proof.")
        findings.append(_protection(venue, wallet, symbol, confirm, passphrase_fd))
    if as_json:
        say_json(
            [{"name": f.name, "well": f.is_well, "found": f.found, "remedy": f.remedy} for f in findings]
        )
    else:
        for finding in findings:
            found = finding.found.replace("\n", "\n      ")
            say(f"{'ok  ' if finding.is_well else 'LOOK'}  {finding.name}: {found}")
            if finding.remedy:
                say(f"      {finding.remedy}")
    if not all(finding.is_well for finding in findings):
        raise typer.Exit(1)


def _protection(
    venue: str, wallet: str, symbol: str, confirm: str | None, passphrase_fd: int | None
) -> Finding:
    """Prove with the installed ccxt that a venue keeps the stop that comes with an entry."""
    from firstwatch.cli.canary import prove
    from firstwatch.engine.worker.protection_proof import NotProvenError

    name = f"protection at {venue}"
    by = f"ccxt {version('ccxt')}"
    try:
        return Finding(name, True, f"{by}: {prove(venue, wallet, symbol, confirm, passphrase_fd)}")
    except NotProvenError as error:
        remedy = "start no run there; read the venue's notices and firstwatch's changelog"
        return Finding(name, False, f"{by}: {error}", remedy)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    is_well = (3, 11) <= sys.version_info[:2] < (3, 15)
    return Finding("python", is_well, version, "" if is_well else "use Python 3.11 to 3.14")


def _indicators() -> Finding:
    from firstwatch.strategy.indicators import talib

    return Finding("indicators", True, f"TA-Lib {talib.__version__}")


def _settings() -> Finding:
    from firstwatch.settings import load_settings

    try:
        settings = load_settings()
    except FirstwatchError as error:
        return Finding("settings", False, str(error), "fix the line that it names")
    return Finding("settings", True, f"venues {', '.join(settings.venues)}")


def _alerts() -> Finding:
    from firstwatch.engine.alerts.address import addresses_of
    from firstwatch.engine.alerts.sending import NOT_INSTALLED, Sender, is_installed
    from firstwatch.settings import load_settings
    from firstwatch.store import alerts
    from firstwatch.store.database import Store
    from firstwatch.store.files import store_path

    try:
        settings = load_settings()
        addresses = addresses_of(settings.alerts.urls)
        if not addresses:
            return Finding("alerts", True, "no address in [alerts]: alarms stay on this machine")
        if settings.config is not None and settings.config.stat().st_mode & 0o077:
            found = f"other users may read the addresses in {settings.config}"
            return Finding("alerts", False, found, f"chmod go= {settings.config}")
        if not is_installed():
            return Finding("alerts", False, NOT_INSTALLED, "install it, then: firstwatch alert test")
        path, failing = store_path(settings.home), {}
        if path.exists():
            with closing(Store(path, read_only=True)) as store, store.read() as session:
                failing = alerts.failing(session)
    except (FirstwatchError, OSError) as error:
        return Finding("alerts", False, str(error))
    problems = Sender().send([(address, None) for address in addresses])
    states = [
        f"{address.label} {_of_address(problem, failing.get(address.key))}"
        for address, problem in zip(addresses, problems, strict=True)
    ]
    is_well = not any(problems) and not any(address.key in failing for address in addresses)
    remedy = "" if is_well else "firstwatch alert test says whether it takes messages now"
    return Finding("alerts", is_well, "\n".join(states), remedy)


def _of_address(problem: str, failing: "Failing | None") -> str:
    if problem:
        return f"cannot be used: {problem}"
    if failing is not None:
        return f"has taken no alarm since {iso(failing.since_ms)}: {failing.problem}"
    return "is understood"


def _store() -> Finding:
    from firstwatch.settings import load_settings
    from firstwatch.store.files import store_path
    from firstwatch.store.inspection import problems_of_store

    try:
        home = load_settings().home
        path = store_path(home)
        if not path.exists():
            return Finding("store", True, f"none yet in {home}; the first command that saves creates it")
        problems = problems_of_store(path)
    except (FirstwatchError, OSError) as error:
        return Finding("store", False, str(error))
    if problems:
        remedy = "nothing was changed; copy the folder before you change anything"
        return Finding("store", False, "\n".join(problems), remedy)
    return Finding("store", True, f"{path}, whole")


def _folder() -> Finding:
    from firstwatch.settings import load_settings
    from firstwatch.store.files import check_folder, loose_modes

    try:
        home = load_settings().home
        if not home.exists():
            return Finding("folder", True, f"{home} does not exist yet")
        check_folder(home, make=False)
        loose = loose_modes(home)
    except (FirstwatchError, OSError) as error:
        return Finding("folder", False, str(error))
    if loose:
        return Finding("folder", False, f"other users may read {', '.join(loose)}", f"chmod -R go= {home}")
    return Finding("folder", True, f"{home}, only its owner may read it")


def _vault() -> Finding:
    from firstwatch.settings import load_settings
    from firstwatch.wallets.custody import vault_of

    try:
        vault = vault_of(load_settings())
        problems = vault.problems()
    except (FirstwatchError, OSError) as error:
        return Finding("vault", False, str(error))
    if problems:
        return Finding("vault", False, "\n".join(problems), "put a backup of the file in its place")
    return Finding("vault", True, "no key yet" if vault.is_empty else f"{vault.folder}, its files are whole")


def _disk() -> Finding:
    from firstwatch.settings import load_settings

    try:
        folder = load_settings().home
    except FirstwatchError as error:
        return Finding("disk", False, str(error))
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    is_well = free > _LOW_DISK_BYTES
    return Finding("disk", is_well, f"{free / 1e9:.1f} GB free", "" if is_well else f"make room on {folder}")


def _terminal() -> Finding:
    size = shutil.get_terminal_size()
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    found = f"{os.environ.get('TERM', 'none')}, {size.columns}x{size.lines}, {sys.stdout.encoding}"
    if size.columns < 80 or size.lines < 24:
        return Finding("terminal", False, found, "make it 80x24 or larger; below that one pane is shown")
    return Finding("terminal", True, found if is_utf8 else f"{found}: plain characters are used")


def _login() -> Finding:
    """Check whether the login manager would end a background engine at logout."""
    try:
        text = _LOGIN_CONFIGURATION.read_text(encoding="utf-8")
    except OSError:
        return Finding("logout", True, "no login manager that ends background processes")
    lines = [line.replace(" ", "").lower() for line in text.splitlines()]
    if "killuserprocesses=yes" in lines:
        return Finding(
            "logout",
            False,
            "the login manager ends background processes at logout (KillUserProcesses=yes)",
            "run `loginctl enable-linger`, or the engine under a service manager",
        )
    return Finding("logout", True, "background processes outlive a logout")


_LOOKS: tuple[Callable[[], Finding], ...] = (
    _python,
    _indicators,
    _settings,
    _folder,
    _store,
    _alerts,
    _vault,
    _disk,
    _terminal,
    _login,
)
