"""User-signed actions: the same digests and signatures as two witnesses, ccxt and eth-account."""

import pytest
from ccxt.hyperliquid import hyperliquid
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.venues.hyperliquid.approvals import fee_rate
from firstwatch.venues.hyperliquid.signing import typed_digest
from firstwatch.venues.hyperliquid.user_actions import STRUCTURES, burning, user_signed
from firstwatch.venues.keccak import keccak256
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.vault import KeySigner

SECRET = bytes.fromhex("0123456789abcdef" * 4)
SIGNER = KeySigner(SECRET, address_of(SECRET), KeyKind.MASTER)
ADDRESS = "0x" + "a1" * 20

_addresses = st.binary(min_size=20, max_size=20).map(lambda data: "0x" + data.hex())
_texts = st.text(max_size=20).filter(lambda text: text.isprintable() and text.isascii())
_nonces = st.integers(1, 2**53)


@pytest.fixture(scope="module")
def ccxt_client():
    client = hyperliquid({"privateKey": "0x" + SECRET.hex(), "walletAddress": SIGNER.address})
    client.initialize_client = lambda: True
    return client


def _values(kind, address, text):
    fields = STRUCTURES[kind].fields[1:-1]
    return {name: address if field in {"address"} else text for name, field in fields}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(STRUCTURES)), _addresses, _texts, _nonces, st.booleans())
def test_signatures_equal_those_of_ccxt_and_recover_by_eth_account(
    ccxt_client, kind, address, text, nonce, is_mainnet
):
    body = user_signed(kind, _values(kind, address, text), is_mainnet=is_mainnet, nonce=nonce, signer=SIGNER)
    structure = STRUCTURES[kind]
    message = {name: body["action"][name] for name, _ in structure.fields}
    types = {structure.name: [{"name": name, "type": field} for name, field in structure.fields]}
    theirs = ccxt_client.sign_user_signed_action(types, message)
    assert body["signature"] == theirs
    domain = {
        "name": "HyperliquidSignTransaction",
        "version": "1",
        "chainId": 421614,
        "verifyingContract": "0x" + "0" * 40,
    }
    signable = encode_typed_data(domain, types, message)
    signature = body["signature"]
    vrs = (signature["v"], int(signature["r"], 16), int(signature["s"], 16))
    assert Account.recover_message(signable, vrs=vrs).lower() == SIGNER.address
    digest = keccak256(b"\x19" + signable.version + signable.header + signable.body)
    assert typed_digest("HyperliquidSignTransaction", 421614, structure, message) == digest


@settings(max_examples=20, deadline=None)
@given(st.integers(2**40, 2**44 - 1), st.booleans())
def test_burning_is_signed_as_ccxt_signs_it(ccxt_client, nonce, is_mainnet):
    # ccxt pads a nonce with five zeros: right for those of our time, which have 11 hexadecimal digits.
    ccxt_client.options["sandboxMode"] = not is_mainnet
    theirs = ccxt_client.sign_l1_action({"type": "noop"}, nonce)
    body = burning(nonce, is_mainnet=is_mainnet, signer=SIGNER)
    assert body == {"action": {"type": "noop"}, "nonce": nonce, "signature": theirs}


def test_a_body_says_what_was_signed_and_holds_no_key():
    body = user_signed(
        "withdraw3", {"destination": ADDRESS, "amount": "5"}, is_mainnet=False, nonce=7, signer=SIGNER
    )
    assert body["nonce"] == 7
    assert body["action"] == {
        "type": "withdraw3",
        "signatureChainId": "0x66eee",
        "hyperliquidChain": "Testnet",
        "destination": ADDRESS,
        "amount": "5",
        "time": 7,
    }
    assert SECRET.hex() not in str(body)


@pytest.mark.parametrize(
    ("tenths", "rate"), [(0, "0%"), (1, "0.001%"), (10, "0.01%"), (50, "0.05%"), (100, "0.1%")]
)
def test_fee_rates_are_written_as_the_venue_writes_them(tenths, rate):
    assert fee_rate(tenths) == rate
