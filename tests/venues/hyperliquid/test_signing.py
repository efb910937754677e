"""The fast signature of an action is ccxt's, byte for byte."""

import secrets

import ccxt
import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.venues.hyperliquid.signing import l1_digest, pack, signature_json
from firstwatch.venues.signer import Signature

KEY = "0x" + secrets.token_hex(32)

_text = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789.:-", max_size=40)
_leaf = st.one_of(_text, st.integers(0, 2**40), st.booleans(), st.none())
_order = st.fixed_dictionaries(
    {
        "a": st.integers(0, 300),
        "b": st.booleans(),
        "p": st.decimals("0.0001", "200000", places=4).map(lambda value: f"{value:f}"),
        "s": st.decimals("0.0001", "200000", places=4).map(lambda value: f"{value:f}"),
        "r": st.booleans(),
        "t": st.sampled_from(
            [
                {"limit": {"tif": "Ioc"}},
                {"limit": {"tif": "Gtc"}},
                {"trigger": {"isMarket": True, "triggerPx": "95.5", "tpsl": "sl"}},
            ]
        ),
        "c": st.binary(min_size=16, max_size=16).map(lambda value: "0x" + value.hex()),
    }
)
_actions = st.one_of(
    st.just({"type": "noop"}),
    st.lists(_order, min_size=1, max_size=3).map(
        lambda orders: {"type": "order", "orders": orders, "grouping": "na"}
    ),
    st.dictionaries(_text, st.recursive(_leaf, lambda part: st.lists(part, max_size=3), max_leaves=5)),
)


@pytest.fixture(scope="module", params=[True, False], ids=["mainnet", "testnet"])
def exchange(request):
    return ccxt.hyperliquid({"privateKey": KEY, "options": {"sandboxMode": not request.param}})


@settings(max_examples=150, deadline=None)
@given(
    action=_actions,
    nonce=st.integers(1_600_000_000_000, 2_000_000_000_000),
    vault=st.none() | st.binary(min_size=20, max_size=20).map(bytes.hex),
    expires=st.none() | st.integers(1_600_000_000_000, 2_000_000_000_000),
)
def test_the_signature_is_the_one_of_ccxt(exchange, action, nonce, vault, expires):
    digest = l1_digest(
        pack(action),
        nonce,
        is_mainnet=not exchange.options["sandboxMode"],
        vault_address=vault,
        expires_after=expires,
    )
    signed = Account.unsafe_sign_hash(digest, KEY)
    ours = signature_json(Signature(signed.r, signed.s, signed.v))
    theirs = exchange.sign_l1_action(action, nonce, vault, expires)
    assert {name: int(str(value), 0) for name, value in ours.items()} == {
        name: int(str(value), 0) for name, value in theirs.items()
    }
