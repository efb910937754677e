"""The registry of kinds of venues: what each must have, and what importing it costs."""

import subprocess
import sys
from typing import get_args

import pytest

from firstwatch.settings import load_settings
from firstwatch.trading.errors import WrongUseError
from firstwatch.venues.registry import VenueKind, assembly_of, is_paper


@pytest.mark.parametrize("kind", VenueKind)
def test_the_settings_of_each_kind_are_in_its_folder_and_say_its_word(kind):
    assert get_args(kind.settings.model_fields["kind"].annotation) == (kind.value,)
    assert kind.settings.__module__ == f"firstwatch.venues.{kind}.settings"


@pytest.mark.parametrize("kind", VenueKind)
def test_each_kind_has_what_opens_it(kind):
    settings = kind.settings(kind=kind.value)
    assembly = assembly_of(settings)
    assert callable(assembly.open_venue)
    # Play money has no keys; where there are keys, the wallets ask for the accounts.
    assert settings.is_paper is (settings.key_network is None)
    assert hasattr(assembly, "open_accounts") is (settings.key_network is not None)


def test_only_known_play_money_is_paper():
    assert [kind for kind in VenueKind if is_paper(kind)] == [VenueKind.PAPER]
    assert not is_paper("of a later version")


def test_a_kind_that_is_not_known_is_one_mistake(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('[venues.p]\nkind = "papper"\nkey_of_that_kind = 1\n', encoding="utf-8")
    with pytest.raises(WrongUseError) as caught:
        load_settings(home=tmp_path)
    assert str(caught.value) == (
        f'{path}: venues.p.kind: "papper" is not a kind of venue that this version knows;'
        ' it knows "paper", "hyperliquid".'
    )


def test_the_settings_import_no_adapter():
    script = (
        "import sys, firstwatch.settings;"
        "heavy = ('numpy', 'sqlalchemy', 'ccxt', 'Crypto');"
        "print([name for name in sys.modules"
        " if name.split('.')[0] in heavy or name.endswith(('.assembly', '.venue', '.client'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
