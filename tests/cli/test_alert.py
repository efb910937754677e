"""``alert test`` says for each address whether it takes messages, and never what the address is."""

import json
import socket

import pytest

from firstwatch.engine.alerts import sending
from tests.engine.alerts.receiver import SECRET, receiving


@pytest.fixture
def configured(home):
    def write(*urls: str) -> None:
        home.mkdir(mode=0o700, exist_ok=True)
        path = home / "config.toml"
        path.write_text(f"[alerts]\nurls = {json.dumps(urls)}\n")
        path.chmod(0o600)

    return write


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_each_address_is_said_to_take_messages_or_not(firstwatch, configured, closed_port):
    with receiving() as well, receiving() as refusing:
        refusing.status = 401
        dead = f"json://user:{SECRET}@127.0.0.1:{closed_port}/{SECRET}"
        configured(well.url, refusing.url, dead, f"nosuch://{SECRET}")
        answer = firstwatch("alert", "test")
    assert answer.code == 0
    assert answer.out.splitlines() == [
        "1. json://…: delivered",
        "2. json://…: not delivered: it has answered with HTTP 401",
        "3. json://…: not delivered: no connection, or no answer",
        "4. nosuch://…: not delivered: apprise does not understand the address: its scheme is not known, or "
        "a part is missing",
    ]
    assert SECRET not in answer.out + answer.err
    (message,) = well.messages
    assert message["title"].endswith(": test")
    assert message["type"] == "info"


def test_where_nothing_is_delivered_the_exit_code_is_1(firstwatch, configured, closed_port):
    configured(f"json://127.0.0.1:{closed_port}/{SECRET}")
    answer = firstwatch("alert", "test", "--json")
    assert answer.code == 1
    assert answer.json == [
        {"address": "1. json://…", "delivered": False, "problem": "no connection, or no answer"}
    ]


def test_without_an_address_it_says_where_to_write_one(firstwatch):
    answer = firstwatch("alert", "test")
    assert answer.code == 1
    assert "[alerts]" in answer.err


def test_without_the_library_it_says_how_to_install_it(firstwatch, configured, monkeypatch):
    configured(f"json://{SECRET}")
    monkeypatch.setattr(sending, "find_spec", lambda _name: None)
    answer = firstwatch("alert", "test")
    assert answer.code == 1
    assert "pip install 'firstwatch[alerts]'" in answer.err


def test_an_address_that_never_ends_its_answer_is_given_up(firstwatch, configured, monkeypatch):
    monkeypatch.setattr(sending, "SEND_WITHIN_S", 5)
    monkeypatch.setattr(sending, "_START_S", 0.0)
    with receiving() as hanging:
        hanging.hangs = True
        configured(hanging.url)
        answer = firstwatch("alert", "test")
        hanging.wait("tries", 1)
    assert answer.code == 1
    assert answer.out == "1. json://…: not delivered: no answer in time\n"


@pytest.mark.parametrize(
    "text",
    [
        f'[alerts]\nurls = "json://{SECRET}"',
        f'alerts = "json://{SECRET}"',
        f'urls = ["json://{SECRET}"]',
        f'[alerts]\nurls = ["{SECRET}"]',
        f'[alerts]\nurls = ["json://{SECRET} x"]',
        f'[alerts]\nurl = ["json://{SECRET}"]',
        f'[alerts]\nquiet = "json://{SECRET}"',
        f'[alerts]\nbell = "json://{SECRET}"',
        f'[alerts]\nurls = [["json://{SECRET}"]]',
        f'[alerts]\nurls = ["json://{SECRET}',
        f'theme = "json://{SECRET}"\nlimits = "json://{SECRET}"',
    ],
)
@pytest.mark.parametrize("command", [("alert", "test"), ("doctor",), ("status",)])
def test_a_mistake_does_not_show_the_secret(firstwatch, home, text, command):
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text(text)
    answer = firstwatch(*command)
    assert answer.code != 0
    assert "config.toml" in answer.out + answer.err
    assert SECRET not in answer.out + answer.err


def test_a_secret_of_the_environment_is_not_shown(firstwatch, monkeypatch):
    for value in (f"json://{SECRET}", f'["json://{SECRET}"', f'["{SECRET}"]', f'{{"a": "json://{SECRET}"}}'):
        monkeypatch.setenv("FIRSTWATCH_ALERTS__URLS", value)
        answer = firstwatch("alert", "test")
        assert answer.code == 2
        assert "FIRSTWATCH_ALERTS" in answer.err
        assert SECRET not in answer.out + answer.err
