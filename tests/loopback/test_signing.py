"""The venue's reading of signatures, proven by eth-account and by ccxt: two programs that never met it."""

import pytest
from eth_account import Account as EthAccount
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.loopback.signing import (
    USER_SIGNED,
    action_hash,
    keccak256,
    l1_digest,
    packed,
    recovered,
    user_digest,
)
from tests.loopback.wire import Malformed, canonical

KEY = "0x" + "17" * 32
ADDRESS = EthAccount.from_key(KEY).address.lower()
ORDER = {
    "a": 0,
    "b": True,
    "p": "29300.4",
    "s": "0.01",
    "r": False,
    "t": {"limit": {"tif": "Gtc"}},
    "c": "0x" + "0f" * 16,
}
ACTION = {"type": "order", "orders": [ORDER], "grouping": "na"}
texts = st.text(max_size=40)
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | texts
trees = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(texts, inner, max_size=20),
    max_leaves=30,
)


def ccxt_client(network="mainnet"):
    from ccxt.async_support import hyperliquid

    return hyperliquid(
        {
            "walletAddress": ADDRESS,
            "privateKey": KEY,
            "options": {"sandboxMode": network == "testnet"},
        }
    )


@given(trees)
@settings(max_examples=200, deadline=None)
def test_messagepack_is_ccxts(tree):
    from ccxt.base.exchange import Exchange

    assert packed(tree) == Exchange.packb(tree)


@pytest.mark.parametrize("network", ["mainnet", "testnet"])
@pytest.mark.parametrize("vault", [None, "ab" * 20])
@pytest.mark.parametrize("expires", [None, 1_700_000_000_000])
def test_ccxts_signature_of_an_l1_action_is_recovered(network, vault, expires):
    signature = ccxt_client(network).sign_l1_action(ACTION, 1_700_000_000_123, vault, expires)
    digest = l1_digest(
        ACTION,
        1_700_000_000_123,
        is_testnet=network == "testnet",
        vault=None if vault is None else "0x" + vault,
        expires_after=expires,
    )
    assert recovered(digest, signature) == ADDRESS
    other = l1_digest(ACTION, 1_700_000_000_123, is_testnet=network != "testnet", vault=vault)
    assert recovered(other, signature) != ADDRESS


def test_eth_accounts_signature_of_an_l1_action_is_recovered():
    message = encode_typed_data(
        {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": "0x" + "0" * 40},
        {"Agent": [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}]},
        {"source": "a", "connectionId": action_hash(ACTION, 5, None, None)},
    )
    signed = EthAccount.sign_message(message, KEY)
    signature = {"r": hex(signed.r), "s": hex(signed.s), "v": signed.v}
    assert recovered(l1_digest(ACTION, 5, is_testnet=False), signature) == ADDRESS


VALUES = {"string": "Mainnet", "address": "0x" + "b5" * 20, "uint64": 1_700_000_000_123, "bool": True}


@pytest.mark.parametrize("kind", USER_SIGNED)
def test_eth_accounts_signature_of_a_user_signed_action_is_recovered(kind):
    name, fields = USER_SIGNED[kind]
    values = {field.name: VALUES[field.kind] for field in fields}
    domain = {
        "name": "HyperliquidSignTransaction",
        "version": "1",
        "chainId": 0x66EEE,
        "verifyingContract": "0x" + "0" * 40,
    }
    types = {name: [{"name": field.name, "type": field.kind} for field in fields]}
    signed = EthAccount.sign_message(encode_typed_data(domain, types, values), KEY)
    action = {"type": kind, "signatureChainId": "0x66eee", **values}
    signature = {"r": hex(signed.r), "s": hex(signed.s), "v": signed.v}
    assert recovered(user_digest(action), signature) == ADDRESS
    wrong = action | {"hyperliquidChain": "Testnet"}
    assert recovered(user_digest(wrong), signature) != ADDRESS


def test_what_is_no_signature_is_said_so():
    digest = keccak256(b"")
    for signature in ({}, {"r": "0x1", "s": "zz", "v": 27}, {"r": "0x0", "s": "0x0", "v": 27}, {"r": 1}):
        with pytest.raises(ValueError, match=r"signature|recovers"):
            recovered(digest, signature)


def test_the_venue_hashes_its_own_reading():
    sloppy = ORDER | {"p": "29300.40", "s": "0.010", "c": ("0x" + "0F" * 16)}
    shuffled = {"grouping": "na", "orders": [dict(reversed(sloppy.items()))], "type": "order"}
    assert canonical(shuffled) == ACTION
    assert list(canonical(shuffled)["orders"][0]) == list(ORDER)


WRONG = {
    "leverage with a point": {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 5.0},
    "fill or kill": ACTION | {"orders": [ORDER | {"t": {"limit": {"tif": "Fok"}}}]},
    "a short client id": ACTION | {"orders": [ORDER | {"c": "0xabc"}]},
    "a client id without 0x": ACTION | {"orders": [ORDER | {"c": "0f" * 16}]},
    "a price that is a number": ACTION | {"orders": [ORDER | {"p": 29300.4}]},
    "no orders": ACTION | {"orders": []},
    "no price": ACTION | {"orders": [{key: value for key, value in ORDER.items() if key != "p"}]},
    "no type": {"orders": [ORDER]},
    "nothing": None,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_malformed_action_is_none(name):
    with pytest.raises(Malformed):
        canonical(WRONG[name])
