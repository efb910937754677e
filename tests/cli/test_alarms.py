"""``firstwatch alarms``: the document that programs read, and the table for a person."""

import json
from pathlib import Path

from firstwatch.manager.manager import RunManager
from firstwatch.store import journal
from firstwatch.trading.events import AlarmRaised
from tests.ui import scenes

GOLDEN = Path(__file__).parent / "golden" / "alarms.json"


def story(home):
    scenes.with_alarm(home)
    scenes.unprotect(home)
    raised = AlarmRaised(
        topic="foreign order 0x1f", sentence="the wallet has an order that is not of this run"
    )
    with scenes.written(home) as session:
        journal.append_system_events(session, scenes.LIVE, [raised, raised], now_ms=scenes.NOW_MS - 90_000)
    manager = RunManager(scenes.settings_of(home), hosts_engine=False)
    manager.open()
    manager.acknowledge(next(alarm for alarm in manager.snapshot().alarms if alarm.wallet == "swing"))
    manager.close()


def test_the_document_is_the_golden_one(firstwatch, home):
    story(home)
    answer = firstwatch("alarms", "--json")
    assert answer.code == 0
    assert answer.json == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_a_person_reads_what_each_means_and_what_can_be_done(firstwatch, home):
    story(home)
    answer = firstwatch("alarms")
    assert answer.code == 0
    head, *lines = answer.out.splitlines()
    assert head.split() == ["SINCE", "SEVERITY", "WALLET", "RUN", "TIMES", "SEEN", "ALARM"]
    assert [line.split()[-1] for line in lines[:3]] == ["unprotected", "order", "run"]
    assert "the loss is not bounded" in answer.out
    assert f"firstwatch run pause {scenes.LIVE}" in answer.out
    assert answer.out.rstrip().endswith("1 alarm acknowledged")


def test_without_an_alarm_it_says_so(firstwatch, home):
    scenes.busy_day(home)
    assert firstwatch("alarms").out == "There is no alarm.\n"
    assert firstwatch("alarms", "--json").json == []
