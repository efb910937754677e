"""``firstwatch wallet close`` beside an engine of its own process, on a paper venue."""

from decimal import Decimal

import pytest

from firstwatch.cli import wallets as commands
from firstwatch.engine.host.host import EngineHost
from firstwatch.store.database import open_store
from firstwatch.trading.commands import StopRun
from firstwatch.trading.runs import Protection, StopMode
from tests.engine.host import rig


@pytest.fixture
def left(home):
    """A data folder with its engine; the one run was stopped and has left its position."""
    settings = rig.make_folder(home, bars=1600, speed=120_000, toml=rig.HOLDING_TOML)
    store = open_store(home)
    host = EngineHost(store, settings)
    host.start()
    rig.start_run(store, rig.RUN)
    rig.until(lambda: rig.run_of(store, rig.RUN).facts.protection is Protection.PROTECTED or None, "a stop")
    rig.answered(store, rig.submit(store, StopRun(run_id=rig.RUN, mode=StopMode.LEAVE)))
    rig.ended(store, rig.RUN)
    yield host
    host.drain_and_stop()
    store.close()


def test_it_closes_what_a_run_left_and_then_there_is_nothing_to_close(left, firstwatch):
    answer = firstwatch("wallet", "close", "one", "--yes", "--json")
    assert (answer.code, set(answer.json)) == (0, {"wallet", "status", "sentence"})
    assert (answer.json["wallet"], answer.json["status"]) == ("one", "done")
    assert "is flat: closed" in answer.json["sentence"]
    again = firstwatch("wallet", "close", "one", "--yes")
    assert (again.code, again.out) == (0, "the wallet one holds nothing: there was nothing to close\n")
    left.finished_runs.look()
    assert firstwatch("alarms", "--json").json == []


def test_it_does_nothing_without_yes_or_with_another_name(left, firstwatch):
    assert firstwatch("wallet", "close", "one").code == 2
    assert firstwatch("wallet", "close", "one", "--yes", "--confirm", "two").code == 2
    assert firstwatch("wallet", "close", "none", "--yes").code == 2
    [alarm] = firstwatch("alarms", "--json").json
    assert (alarm["wallet"], alarm["actions"]) == ("one", ["close", "adopt", "leave", "acknowledge"])
    assert "firstwatch wallet close one --yes" in firstwatch("alarms").out


def test_a_wallet_that_a_run_uses_and_a_folder_without_an_engine_are_refused(left, firstwatch):
    with left._store.read() as session:
        assert rig.wallets.active_run_id(session, rig.wallets.get_wallet(session, "one").id) is None
    started = rig.start_run(
        left._store, "ef" * 8, rig.launch(assume_position_now=True, capital=Decimal(8_000))
    )
    assert started.sentence.endswith("started")
    refused = firstwatch("wallet", "close", "one", "--yes", "--json")
    assert (refused.code, refused.json["status"]) == (3, "refused")
    assert f"firstwatch run close {'ef' * 8}" in refused.json["sentence"]
    left.drain_and_stop()
    refused = firstwatch("wallet", "close", "one", "--yes", "--json")
    assert (refused.code, refused.json["status"]) == (3, "refused")
    assert "No engine is running" in refused.json["sentence"]


def test_what_the_venue_has_not_confirmed_is_waiting(left, firstwatch, monkeypatch):
    monkeypatch.setattr(commands, "_CLOSE_WITHIN_S", 0.1)
    left.closer.task.close()
    answer = firstwatch("wallet", "close", "one", "--yes", "--json")
    assert (answer.code, answer.json["status"]) == (1, "waiting")
