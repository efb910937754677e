"""Settings: where they come from, and what a mistake is answered with."""

from decimal import Decimal
from pathlib import Path

import pytest

from firstwatch.settings import load_settings
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.hazards import DEFAULT_POLICY, Hazard, Response
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.paper.settings import PaperVenueSettings

_DAY_MS = 1_735_689_600_000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import os

    for name in list(os.environ):
        if name.startswith("FIRSTWATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FIRSTWATCH_HOME", str(tmp_path))
    return tmp_path


def write(home: Path, text: str) -> Path:
    path = home / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_there_is_one_synthetic_paper_venue(home: Path) -> None:
    settings = load_settings()
    assert settings.home == home
    assert settings.venues == {"paper": PaperVenueSettings(kind="paper")}
    assert settings.venues["paper"].feed == "synthetic"
    assert settings.refresh_hz == 4


def test_the_file_of_the_data_folder_is_read(home: Path) -> None:
    write(
        home,
        """
        refresh_hz = 2
        [keymap]
        "run.stop" = "x"
        [limits]
        capital_share = 0.25
        [venues.real]
        kind = "paper"
        feed = "replay"
        candles = "data/btc.csv.gz"
        funding = "/elsewhere/funding.csv"
        start = 2025-01-01
        speed = "max"
        while_down = "continue"
        fee_bps = 4.5
        maker_fee_bps = 1
        slippage_bps = 3
        spread_bps = 0.5
        latency_ms = 20
        volume_share = 0.1
        seed = 7
        """,
    )
    settings = load_settings()
    venue = settings.venues["real"]
    assert (settings.refresh_hz, settings.keymap, settings.limits.capital_share) == (
        2,
        {"run.stop": "x"},
        0.25,
    )
    assert (venue.candles, venue.funding) == (home / "data/btc.csv.gz", Path("/elsewhere/funding.csv"))
    assert (venue.start, venue.speed, venue.fee_bps) == (_DAY_MS, "max", Decimal("4.5"))
    assert list(settings.venues) == ["real"]


def test_the_policy_names_a_response_to_each_hazard(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().policy.responses == DEFAULT_POLICY
    write(home, '[policy]\ndelisting = "stop_close"\nliquidation_near = "alarm"\ncrash_loop = "alarm"')
    monkeypatch.setenv("FIRSTWATCH_POLICY__KEY_EXPIRING", "stop_leave")
    assert load_settings().policy.responses == DEFAULT_POLICY | {
        Hazard.DELISTING: Response.STOP_CLOSE,
        Hazard.LIQUIDATION_NEAR: Response.ALARM,
        Hazard.KEY_EXPIRING: Response.STOP_LEAVE,
    }


def test_alerts_are_addresses_that_no_text_of_the_settings_shows(home: Path) -> None:
    write(home, '[alerts]\nurls = ["json://u:hidden@h/p"]\nquiet = "22:00-7:00"\nbell = true')
    alerts = load_settings().alerts
    assert [url.get_secret_value() for url in alerts.urls] == ["json://u:hidden@h/p"]
    assert (str(alerts.quiet), alerts.bell) == ("22:00-07:00", True)
    for text in (repr(load_settings()), str(alerts), alerts.model_dump_json()):
        assert "hidden" not in text


@pytest.mark.parametrize(
    "start", ["2025-01-01T00:00:00Z", '"2025-01-01"', '"2025-01-01T01:00:00+01:00"', str(_DAY_MS)]
)
def test_a_start_may_be_written_in_several_ways(home: Path, start: str) -> None:
    write(home, f'[venues.p]\nkind = "paper"\nstart = {start}')
    assert load_settings().venues["p"].start == _DAY_MS


def test_overrides_win_over_the_environment_and_that_over_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, 'refresh_hz = 1\ntheme = "day"\n[venues.p]\nkind = "paper"\nspeed = 5\nseed = 3')
    monkeypatch.setenv("FIRSTWATCH_REFRESH_HZ", "2")
    monkeypatch.setenv("FIRSTWATCH_VENUES__P__SPEED", "max")
    settings = load_settings(refresh_hz=3)
    assert (settings.refresh_hz, settings.theme) == (3, "day")
    assert (settings.venues["p"].speed, settings.venues["p"].seed) == ("max", 3)


def test_another_file_by_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = home / "other.toml"
    other.write_text('theme = "day"', encoding="utf-8")
    write(home, 'theme = "night"')
    monkeypatch.setenv("FIRSTWATCH_CONFIG", str(other))
    assert load_settings().theme == "day"
    other.unlink()
    with pytest.raises(WrongUseError, match=r"other\.toml: there is no such settings file"):
        load_settings()


DASK = '[compute]\nexecutor = "dask"\nscheduler = '


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("refresh_hz = ", r"config\.toml is not valid TOML"),
        ("refresh_hs = 3", r"config\.toml: unknown key refresh_hs; did you mean refresh_hz\?"),
        ("refresh_hz = 0", r"config\.toml: refresh_hz = 0: it should be above 0"),
        ('home = "/tmp"', r"home cannot stand in the file; set FIRSTWATCH_HOME"),
        ("[limits]\ncapital_shares = 1", r"unknown key limits\.capital_shares; did you mean capital_share\?"),
        (
            '[policy]\ndelisting = "stop"',
            r'policy\.delisting = "stop": it should be alarm, pause, stop_leave or stop_close',
        ),
        ('[policy]\ndelisted = "pause"', r"unknown key policy\.delisted; did you mean delisting\?"),
        ('[policy]\ncrash_loop = "pause"', r'config\.toml: policy\.crash_loop: only "alarm" is possible'),
        ('[alerts]\nurls = "tgram://x"', r"config\.toml: alerts\.urls: it should be a list of addresses"),
        ('[alerts]\nurls = ["tgram"]', r"alerts\.urls: number 1 is not an address of apprise"),
        (f"[alerts]\nurls = {['a://b'] * 11}", r"alerts\.urls: it is too long: 10 addresses at most"),
        ('[alerts]\nquiet = "22-7"', r'alerts\.quiet: "22-7" is not a part of the day: .*"22:00-07:00"'),
        (
            '[compute]\nexecutor = "dask"',
            r'config\.toml: compute: executor = "dask" needs scheduler, such as',
        ),
        ('[compute]\nexecutor = "ray"', r'compute\.executor = "ray": it should be local or dask'),
        ("[compute]\nworkers = 0", r"compute\.workers = 0: it should be 1 or more"),
        ("[compute]\nworker = 2", r"unknown key compute\.worker; did you mean workers\?"),
        (
            DASK + '"10.0.0.5:8786"',
            r'compute: scheduler should be tls://HOST:PORT, .* not "10\.0\.0\.5:8786"',
        ),
        (DASK + '"tls://10.0.0.5:99999"', r"compute: scheduler should be tls://HOST:PORT"),
        (DASK + '"tls://a:1"\nca = "ca.pem"', r"compute: a scheduler by tls:// needs certificate, key"),
        (
            DASK + '"tcp://10.0.0.5:8786"',
            r"compute: tcp://10\.0\.0\.5:8786 carries programs without encryption",
        ),
        (
            DASK + '"tcp://127.0.0.1.example.org:1"',
            r"carries programs without encryption beyond this machine",
        ),
        ("[alerts]\nbel = true", r"unknown key alerts\.bel; did you mean bell\?"),
        ('[venues.p]\nfeed = "synthetic"', r"config\.toml: the key venues\.p\.kind is missing"),
        ('[venues.p]\nkind = "papper"', r'venues\.p\.kind: "papper" is not a kind of venue .* "paper"'),
        ('[venues.p]\nkind = "paper"\nspede = 1', r"unknown key venues\.p\.spede; did you mean speed\?"),
        ('[venues.p]\nkind = "paper"\nspeed = "fast"', r'venues\.p\.speed: "fast" is not a speed'),
        ('[venues.p]\nkind = "paper"\nspeed = 0', r"venues\.p\.speed: 0 is not a speed"),
        ('[venues.p]\nkind = "paper"\nstart = "soon"', r'venues\.p\.start: "soon" is not a time'),
        ('[venues.p]\nkind = "paper"\nfeed = "reply"', r'feed = "reply": .*did you mean replay\?'),
        (
            '[venues.p]\nkind = "paper"\nfeed = "replay"',
            r"venues\.p: feed = \"replay\" needs the key candles",
        ),
        ('[venues.p]\nkind = "paper"\ncandles = "a.csv"', r'candles is only for feed = "replay"'),
        (
            '[venues.p]\nkind = "paper"\nvolume_share = 2',
            r"volume_share = 2: it should be 1 or less",
        ),
        ('[venues."My venue"]\nkind = "paper"', r'venues: a venue cannot be called "My venue"'),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_key(home: Path, text: str, sentence: str) -> None:
    write(home, text)
    with pytest.raises(WrongUseError, match=sentence):
        load_settings()


def test_a_cluster_is_exposed_only_beyond_this_machine_and_without_encryption(home: Path) -> None:
    write(home, DASK + '"tls://cluster:8786"\nca = "ca.pem"\ncertificate = "/own.pem"\nkey = "~/own.key"')
    compute = load_settings().compute
    assert (compute.ca, compute.certificate) == (home / "ca.pem", Path("/own.pem"))
    assert compute.key == Path.home() / "own.key"
    assert (compute.is_encrypted, compute.is_exposed) == (True, False)
    for address in ("tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:65535", "tcp://127.9.9.9:5"):
        write(home, f'{DASK}"{address}"')
        assert not load_settings().compute.is_exposed
    write(home, DASK + '"tcp://10.0.0.5:8786"\ninsecure = true')
    assert load_settings().compute.is_exposed
    write(home, '[compute]\nscheduler = "tcp://10.0.0.5:8786"\ninsecure = true')
    assert not load_settings().compute.is_exposed, "it is not used"


def test_all_mistakes_are_reported_together(home: Path) -> None:
    write(home, 'refresh_hz = -1\n[venues.p]\nkind = "paper"\nseed = "x"')
    with pytest.raises(WrongUseError) as caught:
        load_settings()
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("FIRSTWATCH_REFRESH_HZ", "often", r'FIRSTWATCH_REFRESH_HZ: refresh_hz = "often"'),
        (
            "FIRSTWATCH_REFRSH_HZ",
            "2",
            "unknown variable FIRSTWATCH_REFRSH_HZ; did you mean FIRSTWATCH_REFRESH_HZ",
        ),
        ("FIRSTWATCH_LIMITS__CAPITAL_SHARE", "7", "FIRSTWATCH_LIMITS__CAPITAL_SHARE: "),
        ("FIRSTWATCH_VENUES", "{", "environment: .* as JSON"),
    ],
)
def test_a_mistake_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongUseError, match=sentence):
        load_settings()


def test_an_unreadable_file_gets_a_sentence(home: Path) -> None:
    (home / "config.toml").write_bytes(b"theme = '\xff'")
    with pytest.raises(WrongUseError, match="not UTF-8"):
        load_settings()


def test_a_hyperliquid_venue_follows_from_its_network_or_its_two_addresses(home: Path) -> None:
    write(
        home,
        """
        [venues.real]
        kind = "hyperliquid"
        [venues.test]
        kind = "hyperliquid"
        network = "testnet"
        api_url = "http://127.0.0.1:9000/"
        builder = "0xABCDEF0123456789abcdef0123456789abcdef01"
        builder_fee_tenths_bp = 20
        max_slippage_bps = 50
        stream_users = 3
        """,
    )
    real, test = (load_settings().venues[name] for name in ("real", "test"))
    assert isinstance(real, HyperliquidVenueSettings)
    assert isinstance(test, HyperliquidVenueSettings)
    assert (real.http_url, real.stream_url) == (
        "https://api.hyperliquid.xyz",
        "wss://api.hyperliquid.xyz/ws",
    )
    assert (test.http_url, test.stream_url) == ("http://127.0.0.1:9000", "ws://127.0.0.1:9000/ws")
    assert test.builder == "0xabcdef0123456789abcdef0123456789abcdef01"
    assert (real.is_mainnet, test.is_mainnet, real.builder) == (True, False, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('network = "main"', r'config\.toml: venues\.h\.network = "main": .*mainnet'),
        (
            'api_url = "api.hyperliquid.xyz"',
            r"venues\.h\.api_url: .* is not the address of a server; write one like https",
        ),
        ('ws_url = "https://x"', r"venues\.h\.ws_url: .* is not the address of a server; write one like wss"),
        ('builder = "0x12"', r'venues\.h\.builder: "0x12" is not an address'),
        ("builder_fee_tenths_bp = 5", r"venues\.h: builder_fee_tenths_bp needs the key builder"),
        ("builder_fee_tenths_bp = 101", r"venues\.h\.builder_fee_tenths_bp"),
        ("ap_url = 1", r"unknown key venues\.h\.ap_url; did you mean api_url\?"),
    ],
)
def test_a_mistake_in_a_hyperliquid_venue_is_a_sentence(home: Path, text: str, said: str) -> None:
    write(home, f'[venues.h]\nkind = "hyperliquid"\n{text}')
    with pytest.raises(WrongUseError, match=said):
        load_settings()
