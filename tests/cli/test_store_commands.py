"""Commands that need no engine: algorithms, wallets, status, doctor."""

import json
import os

import pytest

from firstwatch.cli.names import split_version
from firstwatch.engine.lock import EngineLock


def test_adding_an_algorithm_prints_its_version_and_the_same_again_is_no_new_one(firstwatch, algorithm):
    assert firstwatch("algorithm", "add", algorithm).out == "RSI reversion@1\n"
    assert firstwatch("algorithm", "add", algorithm).out == "RSI reversion@1\n"
    algorithm.write_text(algorithm.read_text().replace("30", "25"))
    assert firstwatch("algorithm", "add", algorithm).out == "RSI reversion@2\n"
    shown = firstwatch("algorithm", "show", "RSI reversion@1", "--json").json
    assert shown["version"] == 1
    assert shown["specification"]["entry"]["long"]["required"] == ["rsi(14) < 30"]


def test_what_show_prints_can_be_added_again(firstwatch, algorithm, tmp_path):
    firstwatch("algorithm", "add", algorithm)
    copy = tmp_path / "copy.toml"
    copy.write_text(firstwatch("algorithm", "show", "RSI reversion").out)
    assert firstwatch("algorithm", "add", copy).out == "RSI reversion@1\n"


def test_check_stores_nothing(firstwatch, algorithm, home):
    answer = firstwatch("algorithm", "check", algorithm, "--json")
    assert answer.json["needed_bars"] == {"1h": 1000}
    assert not home.exists()


def test_a_wrong_algorithm_leaves_nothing_behind(firstwatch, algorithm, home):
    algorithm.write_text("name = ")
    assert firstwatch("algorithm", "add", algorithm).code == 2
    assert not home.exists()


@pytest.mark.parametrize("text", ["RSI@", "RSI@x", "RSI@-1"])
def test_a_version_is_a_number(text):
    with pytest.raises(Exception, match="NAME@NUMBER"):
        split_version(text)


def test_a_wallet_is_created_and_funded_without_an_engine(firstwatch):
    assert firstwatch("wallet", "create", "main", "--venue", "paper").code == 0
    assert firstwatch("wallet", "fund", "main", "1000").code == 0
    assert firstwatch("wallet", "fund", "main", "234.5").code == 0
    shown = firstwatch("wallet", "show", "main", "--json").json
    assert (shown["total"], shown["used"], shown["free"]) == (1234.5, 0, 1234.5)
    assert shown["active_run"] is None
    assert firstwatch("wallet", "list", "--json").json[0]["wallet"] == "main"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("wallet", "create", "main", "--venue", "papre"), "did you mean paper"),
        (("wallet", "create", "a b", "--venue", "paper"), "cannot be called"),
        (("wallet", "fund", "main", "10"), "no wallet"),
        (("wallet", "fund", "main", "ten"), "takes a number"),
        (("wallet", "fund", "main", "0"), "above 0"),
        (("algorithm", "show", "nothing"), "no algorithm"),
        (("run", "show", "abc"), "no run"),
        (("run", "start", "x", "--wallet", "w", "--symbol", "s", "--capital", "1"), "no algorithm"),
    ],
)
def test_wrong_words_are_wrong_use(firstwatch, words, said):
    answer = firstwatch(*words)
    assert answer.code == 2
    assert said in answer.err.lower() or said in answer.err
    assert "Traceback" not in answer.err


def test_a_run_without_an_engine_is_refused_and_says_how(firstwatch, algorithm):
    firstwatch("algorithm", "add", algorithm)
    firstwatch("wallet", "create", "main", "--venue", "paper")
    firstwatch("wallet", "fund", "main", "1000")
    answer = firstwatch(
        "run", "start", "RSI reversion", "--wallet", "main", "--symbol", "BTC/USDC:USDC", "--capital", "500"
    )
    assert answer.code == 3
    assert "--detach" in answer.err
    assert "--wait" in answer.err
    assert firstwatch("run", "list", "--json").json == []


def test_status_is_one_line(firstwatch):
    answer = firstwatch("status")
    assert answer.code == 0
    assert answer.out.count("\n") == 1
    assert firstwatch("status", "--json").json["engine"] == "none"


def test_stopping_an_engine_that_is_not_there_is_refused(firstwatch):
    assert firstwatch("engine", "stop").code == 3


def test_doctor_names_a_damaged_store_and_leaves_it_alone(firstwatch, algorithm, home):
    firstwatch("algorithm", "add", algorithm)
    store = home / "firstwatch.db"
    damaged = b"this is no database" + store.read_bytes()[19:]
    store.write_bytes(damaged)
    answer = firstwatch("doctor", "--json")
    assert answer.code == 1
    found = {finding["name"]: finding for finding in json.loads(answer.out)}
    assert not found["store"]["well"]
    assert store.read_bytes() == damaged
    assert firstwatch("algorithm", "list").code == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_sentence(firstwatch, algorithm, home):
    home.mkdir(mode=0o500)
    answer = firstwatch("algorithm", "add", algorithm)
    assert answer.code == 1
    assert "FIRSTWATCH_HOME" in answer.err


def test_a_mistake_in_the_settings_names_file_and_key(firstwatch, home):
    home.mkdir()
    (home / "config.toml").write_text('[venues.paper]\nkind = "paper"\nspead = 3\n')
    answer = firstwatch("wallet", "list")
    assert answer.code == 2
    assert "config.toml" in answer.err
    assert "speed" in answer.err or "spread_bps" in answer.err


def test_prune_says_what_it_would_free_and_then_frees_it(firstwatch):
    firstwatch("wallet", "create", "main", "--venue", "paper")
    nothing = {"runs": 0, "journal_rows": 0, "paper_orders": 0, "commands": 0, "bytes_freed": 0}
    assert firstwatch("prune", "--dry-run", "--json").json == {
        "dry_run": True,
        **nothing,
        "file_bytes_given_back": None,
    }
    answer = firstwatch("prune", "--older-than", "0", "--json").json
    assert answer == {"dry_run": False, **nothing, "file_bytes_given_back": answer["file_bytes_given_back"]}
    assert answer["file_bytes_given_back"] >= 0
    assert firstwatch("prune").out.startswith("freed about 0.0 MB: 0 journal rows of 0 runs packed;")
    assert firstwatch("prune", "--older-than", "-1").code == 2
    assert firstwatch("wallet", "show", "main", "--json").json["wallet"] == "main"


def test_prune_beside_an_engine_leaves_the_file_its_size(firstwatch, home):
    firstwatch("wallet", "create", "main", "--venue", "paper")
    with EngineLock(home):
        assert firstwatch("prune", "--json").json["file_bytes_given_back"] is None
        assert "holds the engine" in firstwatch("prune").out
