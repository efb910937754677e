"""Workers: the same results in the same order whoever computes them, and candles that travel once."""

from collections.abc import Iterator

import pytest

from firstwatch.engine.jobs import executors
from firstwatch.engine.jobs.executors import Workers, open_workers, run_all
from firstwatch.settings import ComputeSettings
from firstwatch.trading.errors import FirstwatchError, StoreError, WrongUseError
from tests.candles import generated_candles
from tests.engine.jobs import parts

CANDLES = generated_candles(3, 2_000)
PARTS = [(number * 100, number * 100 + 250) for number in range(12)]
PERIODS = list(range(5, 25))


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Dask cluster of two worker processes on this machine."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, protocol="tcp"
    ) as found:
        yield found.scheduler_address


def compute(scheduler: str) -> ComputeSettings:
    return ComputeSettings(executor="dask", scheduler=scheduler)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_results_are_the_same_for_any_number_of_processes(tmp_path, count):
    with open_workers(ComputeSettings(), tmp_path / "7", count=count) as workers:
        assert workers.count == count
        assert list(run_all(workers, CANDLES, parts.mean_of_part, PARTS)) == [
            parts.mean_of_part(CANDLES, part) for part in PARTS
        ]
        assert list(run_all(workers, CANDLES, parts.ema_of, PERIODS)) == [
            parts.ema_of(CANDLES, period) for period in PERIODS
        ]


def test_results_are_the_same_on_a_cluster(cluster, tmp_path):
    with open_workers(compute(cluster), tmp_path / "7") as workers:
        assert workers.count == 2
        assert list(run_all(workers, CANDLES, parts.ema_of, PERIODS)) == [
            parts.ema_of(CANDLES, period) for period in PERIODS
        ]


def seen(workers: Workers) -> dict[int, int]:
    """Return how many shared objects each of two workers has seen, after rounds in which both had work."""
    found: dict[int, int] = {}
    rounds = 0
    while rounds < 2 or len(found) < 2:
        rounds += 1
        for pid, count in run_all(workers, CANDLES, parts.whose, range(20)):
            found[pid] = max(found.get(pid, 0), count)
    return found


def test_candles_travel_once_to_each_process(tmp_path):
    with open_workers(ComputeSettings(), tmp_path / "7", count=2) as workers:
        assert list(seen(workers).values()) == [1, 1]
        (file,) = (tmp_path / "7").iterdir()
        assert file.stat().st_size < 2_000 * 6 * 8 + 10_000


@pytest.mark.live
def test_candles_travel_once_to_each_worker_of_a_cluster(cluster, tmp_path):
    with open_workers(compute(cluster), tmp_path / "7") as workers:
        assert list(seen(workers).values()) == [1, 1]


def test_what_a_worker_does_to_them_the_others_do_not_see(tmp_path):
    with open_workers(ComputeSettings(), tmp_path / "7", count=2) as workers:
        assert list(run_all(workers, CANDLES, parts.writes, [0])) == [-1.0]
        (file,) = (tmp_path / "7").iterdir()
        before = file.read_bytes()
        assert CANDLES.close[0] != -1.0
        list(run_all(workers, CANDLES, parts.writes, range(4)))
        assert file.read_bytes() == before


@pytest.mark.parametrize("count", [1, 2])
def test_an_error_of_a_part_is_the_error_of_all(tmp_path, count):
    with open_workers(ComputeSettings(), tmp_path / "7", count=count) as workers:
        done = run_all(workers, None, parts.refuses, range(8))
        assert [next(done), next(done), next(done)] == [0, 1, 2]
        with pytest.raises(WrongUseError, match="3 cannot be used"):
            next(done)


def test_a_worker_that_ends_by_itself_is_a_sentence(tmp_path):
    with (
        open_workers(ComputeSettings(), tmp_path / "7", count=2) as workers,
        pytest.raises(FirstwatchError, match=r"ended by itself.*resume the job"),
    ):
        list(run_all(workers, None, parts.dies, range(4)))


def test_no_room_for_the_candles_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with (
        open_workers(ComputeSettings(), tmp_path / "file" / "7", count=2) as workers,
        pytest.raises(StoreError, match="cannot be written"),
    ):
        list(run_all(workers, CANDLES, parts.mean_of_part, PARTS))


def test_a_scheduler_that_is_not_there_is_a_sentence(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "_CONNECTS_S", 0.5)
    with (
        pytest.raises(FirstwatchError, match=r"tcp://127.0.0.1:9 does not answer.*executor = \"local\""),
        open_workers(compute("tcp://127.0.0.1:9"), tmp_path / "7"),
    ):
        pass


def test_a_cluster_is_reached_by_tls_and_only_with_its_certificates(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    own, other = distributed.Security.temporary(), distributed.Security.temporary()
    files = {}
    for name, given in (("own", own), ("other", other)):
        texts = {"ca": given.tls_ca_file, "certificate": given.tls_client_cert, "key": given.tls_client_key}
        files[name] = {part: tmp_path / f"{name}-{part}.pem" for part in texts}
        for part, text in texts.items():
            files[name][part].write_text(text)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, protocol="tls", security=own
    ) as found:
        address = found.scheduler_address
        assert address.startswith("tls://")
        known = ComputeSettings(executor="dask", scheduler=address, **files["own"])
        with open_workers(known, tmp_path / "7") as workers:
            assert list(run_all(workers, CANDLES, parts.mean_of_part, PARTS[:2])) == [
                parts.mean_of_part(CANDLES, part) for part in PARTS[:2]
            ]
        monkeypatch.setattr(executors, "_CONNECTS_S", 1.0)
        unknown = ComputeSettings(executor="dask", scheduler=address, **files["other"])
        with pytest.raises(FirstwatchError, match="does not answer"), open_workers(unknown, tmp_path / "7"):
            pass
    missing = ComputeSettings(
        executor="dask", scheduler=address, **files["own"] | {"key": tmp_path / "none.pem"}
    )
    with (
        pytest.raises(WrongUseError, match=r"key of \[compute\] cannot be read from .*none\.pem"),
        open_workers(missing, tmp_path / "7"),
    ):
        pass


@pytest.mark.live
def test_workers_of_a_cluster_that_end_by_themselves_are_a_sentence(tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, protocol="tcp"
    ) as found:
        place = compute(found.scheduler_address)
        with (
            pytest.raises(FirstwatchError, match=r"cluster has given up a part .*resume the job"),
            open_workers(place, tmp_path / "7") as workers,
        ):
            list(run_all(workers, None, parts.dies, range(4)))


def test_a_scheduler_without_workers_is_a_sentence(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=0, dashboard_address=None, protocol="tcp") as found:
        monkeypatch.setattr(executors, "_CONNECTS_S", 1.0)
        with (
            pytest.raises(FirstwatchError, match="has no workers"),
            open_workers(compute(found.scheduler_address), tmp_path / "7"),
        ):
            pass


def test_workers_of_other_versions_are_refused(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "__version__", "9.9")
    with (
        pytest.raises(FirstwatchError, match=r"results would differ"),
        open_workers(compute(cluster), tmp_path / "7"),
    ):
        pass
