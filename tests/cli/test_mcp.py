"""``firstwatch mcp``: its options, and what it needs. The server itself is in ``tests.mcp``."""

import importlib.util

import pytest

from firstwatch.mcp import serving


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--allow", "read"], "--allow is control or trade"),
        (["--max-capital", "-1"], "not below 0"),
        (["--max-capital", "x"], "not a number"),
        (["--http", "8765"], "write HOST:PORT"),
        (["--http", "0.0.0.0:8765"], "--allow-remote NAME"),
        (["--http", "127.0.0.1:0", "--allow", "trade"], "each access token has its own"),
        (["--allow-remote", "x"], "belongs to --http"),
    ],
)
def test_wrong_options_are_a_sentence(firstwatch, options, sentence):
    answer = firstwatch("mcp", *options)
    assert answer.code == 2
    assert sentence in answer.err
    assert not answer.out


def test_an_address_that_is_taken_is_a_sentence(firstwatch):
    from firstwatch.mcp.http import bound_socket

    with bound_socket("127.0.0.1", 0) as taken:
        answer = firstwatch("mcp", "--http", f"127.0.0.1:{taken.getsockname()[1]}")
    assert answer.code == 1
    assert "cannot listen" in answer.err


def test_without_the_extra_it_says_how_to_install_it(firstwatch, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mcp" else find(name))
    answer = firstwatch("mcp")
    assert answer.code == 2
    assert "pip install 'firstwatch[agents]'" in answer.err


@pytest.mark.parametrize(
    ("options", "scope", "capital"),
    [([], "read", 0), (["--allow", "control"], "control", 0),
     (["--allow", "trade", "--max-capital", "250.5"], "trade", 250.5)],
)  # fmt: skip
def test_who_starts_it_gets_what_was_allowed(firstwatch, monkeypatch, options, scope, capital):
    served = []
    monkeypatch.setattr(serving, "serve_on_stdio", lambda _manager, _settings, caller: served.append(caller))
    assert firstwatch("mcp", *options).code == 0
    (caller,) = served
    assert (caller.name, caller.scope, float(caller.max_capital)) == ("stdio", scope, capital)
