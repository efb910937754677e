"""What others wrote is shown as text: neither markup nor control sequences of it reach the screen."""

import asyncio

import pytest
from sqlalchemy import text

from firstwatch.settings import Settings
from firstwatch.store import journal, runs
from firstwatch.store.database import open_store
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading import events
from firstwatch.trading.runs import Author
from firstwatch.tui.modals.confirm import MessageDialog
from firstwatch.tui.themes import load_themes
from tests.ui import scenes
from tests.ui.stage import stage

STEERING = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e [/red] [bold] [@click=app.quit]x[/]"


def assert_plain(text: str) -> None:
    assert all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize("theme", ["[/]", STEERING, "[bold"])
async def test_the_name_of_a_theme_that_is_not_there_is_shown_as_it_is(home, clock, theme):
    scenes.first_steps(home)
    async with stage(home, clock=clock, settings=Settings(home=home, theme=theme)) as on:
        await on.ready()
        assert any("there is no theme" in toast for toast in on.toasts())
        assert_plain("".join(on.toasts()))


async def test_words_of_a_venue_are_text_wherever_they_stand(home, clock):
    scenes.busy_day(home)
    store = open_store(home)
    with store.write() as session:
        facts = runs.get_run(session, scenes.LIVE).facts
        session.exec_driver_sql(
            "UPDATE run SET sentence = ?, pause_reason = ?, paused = 1 WHERE id = ?",
            (STEERING, STEERING, scenes.LIVE),
        )
        assert facts.sentence != STEERING
        for number in range(3):
            journal.append_events(
                session,
                scenes.LIVE,
                [events.AlarmRaised(topic=f"t{number}", sentence=STEERING)],
                author=Author.SYSTEM,
                venue_time_ms=None,
                local_time_ms=scenes.NOW_MS,
            )
        # As an older version would have written it.
        session.exec_driver_sql(
            "UPDATE run_event SET payload = json_object('kind', kind, 'topic', 't0', 'sentence', ?)"
            " WHERE kind = 'alarm_raised'",
            (STEERING,),
        )
        session.exec_driver_sql("UPDATE alarm SET sentence = ?", (STEERING,))
    store.close()
    with scenes.attached(home, clock):
        async with stage(home, size=(200, 60), clock=clock) as on:
            await on.ready()
            assert "[/red]" in on.text()
            for key in ("1", "2", "3", "]", "]", "]", "]", "]", "]", "4"):
                await on.press(key)
                assert_plain(on.text())
            on.app.push_screen(MessageDialog(STEERING, [STEERING]))
            await on.until(lambda: on.app.is_covered, "the dialog")
            assert_plain(on.text())
            on.app.notify(STEERING, title=STEERING)
            await on.until(on.toasts, "the toast")
            assert_plain("".join(on.toasts()))


async def test_a_run_of_an_algorithm_that_is_called_like_markup_is_shown(home, clock):
    document = scenes.SPEC.document() | {"name": "[/red]"}
    spec = AlgorithmSpec.from_json(__import__("json").dumps(document))
    scenes.busy_day(home)
    store = open_store(home)
    with store.write() as session:
        for run in runs.list_runs(session):
            settings = run.settings.model_copy(update={"algorithm": spec.name})
            written = {"settings": settings.model_dump_json(), "run": run.id}
            session.execute(text("UPDATE run SET settings_json = :settings WHERE id = :run"), written)
        session.execute(
            text("UPDATE algorithm SET name = :name WHERE name = :old"),
            {"name": spec.name, "old": scenes.SPEC.name},
        )
    store.close()
    with scenes.attached(home, clock):
        async with stage(home, size=(120, 40), clock=clock) as on:
            await on.ready()
            await asyncio.sleep(0)
            assert "[/red]@1" in on.text()


def test_a_theme_file_that_is_wrong_is_a_plain_short_sentence(tmp_path):
    (tmp_path / "a.toml").write_text(f"name = '[/red]'\ndark = '{'x' * 40_000}'\n", encoding="utf-8")
    (tmp_path / "b.toml").write_text("name = " + "[" * 20_000, encoding="utf-8")
    (tmp_path / "c.toml").write_text("a = " + "1" * 5_000, encoding="utf-8")
    (tmp_path / "d.toml").write_bytes(b"name = '\xff'")
    found = load_themes(tmp_path)
    assert not found.usable
    assert len(found.problems) == 4
    assert all(len(problem) < 1_100 and problem.isprintable() for problem in found.problems)
