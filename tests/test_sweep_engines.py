"""Tests sweeps on engines that lose workers, and on Dask and Ray where they are installed: the same bits, nothing trained twice
but what a lost worker was at."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from test_sweep import equal

from minidl import flow, nn
from minidl.random import Generator

joblib = pytest.importorskip("joblib")
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals are for POSIX"),
    pytest.mark.filterwarnings("ignore"),  # those of the engines
]


def train(point, seed):
    """Some numbers from the seed; a line in the log when it begins, and one when it ends."""
    with open(point["log"], "a") as log:
        log.write(f"{point['a']} {seed} begins {time.time()}\n")
    if "fatal" in point and point["a"] == point["fatal"] and not (point["once"] and os.path.exists(point["log"] + ".killed")):
        open(point["log"] + ".killed", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(point["seconds"])
    with open(point["log"], "a") as log:
        log.write(f"{point['a']} {seed} ends {time.time()}\n")
    return {"draws": Generator(seed).normal(5) * point["a"], "pid": 0}


def one_by_one(grid, seeds):
    return flow.sweep(train, grid | {"log": [os.devnull], "seconds": [0.0]}, seeds, n_jobs=1)


def same_results(one, other):
    return [row.result["draws"].tolist() for row in one.rows] == [row.result["draws"].tolist() for row in other.rows]


def times(log):
    """(a, seed) -> [(begun, ended), ...] by the log; None where a worker was lost before the end."""
    found = {}
    for line in log.read_text().splitlines():
        a, seed, event, at = line.split()
        runs = found.setdefault((int(a), int(seed)), [])
        if event == "begins":
            runs.append([float(at), None])
        else:
            next(run for run in reversed(runs) if run[1] is None)[1] = float(at)
    return found


def test_processes_go_on_when_one_of_them_is_killed(tmp_path):
    log = tmp_path / "log"
    grid = {"a": list(range(8)), "fatal": [3], "once": [True], "log": [str(log)], "seconds": [0.02]}
    with (
        joblib.parallel_config(backend="loky", n_jobs=2),
        pytest.warns(UserWarning, match="went on after TerminatedWorkerError"),
    ):
        result = flow.sweep(train, grid, seeds=2, store=tmp_path / "store")
    assert not result.failed
    assert same_results(result, one_by_one({"a": list(range(8))}, 2))
    assert set(times(log)) == {(a, seed) for a in range(8) for seed in (0, 1)}


def test_a_point_that_kills_every_worker_ends_the_sweep_with_all_others_stored(tmp_path):
    log = tmp_path / "log"
    grid = {"a": list(range(4)), "fatal": [3], "once": [False], "log": [str(log)], "seconds": [0.0]}
    with (
        joblib.parallel_config(backend="loky", n_jobs=2),
        pytest.raises(Exception, match="worker") as raised,
        pytest.warns(UserWarning, match="went on after"),
    ):
        flow.sweep(train, grid, seeds=1, store=tmp_path / "store")
    assert raised.value.__notes__[-1].startswith("3 of 4 points are in")


class Killer(threading.Thread):
    """Kills one of the workers every now and then, as long as it is asked to."""

    def __init__(self, workers, every):
        super().__init__()
        self.workers, self.every, self.killed, self.stopped = workers, every, [], threading.Event()

    def run(self):
        while not self.stopped.wait(self.every):
            if alive := self.workers():
                self.killed.append(random.choice(alive))
                try:
                    os.kill(self.killed[-1], signal.SIGKILL)
                except ProcessLookupError:
                    self.killed.pop()


def network(width):
    return nn.Sequential(nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 10))


def test_dask_with_a_worker_killed_every_few_seconds_loses_nothing_and_changes_no_bit(tmp_path):
    distributed = pytest.importorskip("distributed")
    log = tmp_path / "log"
    grid = {"a": list(range(60)), "log": [str(log)], "seconds": [0.2]}
    usual = flow.Training(network, epochs=1)
    expected = flow.sweep(usual, {"width": [4, 8]}, seeds=2, n_jobs=1)
    with (
        distributed.LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        # Not one that is only starting: Dask starts no other in its place, and waits for ever once there is none.
        nannies = cluster.workers
        killer = Killer(lambda: [nanny.pid for nanny in nannies.values() if nanny.status.name == "running"], every=3)
        killer.start()
        try:
            result = flow.sweep(train, grid, seeds=2, store=tmp_path / "store")
        finally:
            killer.stopped.set()
            killer.join()
        assert equal(flow.sweep(usual, {"width": [4, 8]}, seeds=2), expected)
    assert killer.killed
    assert not result.failed
    assert same_results(result, one_by_one({"a": list(range(60))}, 2))
    runs = times(log)
    assert set(runs) == {(a, seed) for a in range(60) for seed in (0, 1)}
    for attempts in runs.values():  # one after a finished one is of a worker that was lost before the record was written
        late = [begun for (_, ended), (begun, _) in pairwise(attempts) if ended is not None and begun > ended + 0.5]
        assert len(late) <= len(killer.killed)
    finished_twice = sum(sum(ended is not None for _, ended in attempts) - 1 for attempts in runs.values())
    assert finished_twice <= len(killer.killed)
    again = flow.sweep(train, grid, seeds=2, store=tmp_path / "store")
    assert equal(result, again)
    assert times(log) == runs


EXPERIMENT = """
from minidl.random import Generator
def train(point, seed):
    return {"value": point["a"] + seed, "draws": Generator(seed).normal(3)}
"""


def test_the_command_line_gives_a_dask_cluster_the_file_that_the_function_is_in(tmp_path):
    distributed = pytest.importorskip("distributed")
    (tmp_path / "experiment_of_dask.py").write_text(EXPERIMENT)
    (tmp_path / "sweep.toml").write_text('train = "experiment_of_dask.py:train"\nseeds = 2\n[grid]\na = [1, 2]\n')
    command = [sys.executable, "-m", "minidl.sweep", str(tmp_path / "sweep.toml"), "--store", str(tmp_path / "store")]
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        done = subprocess.run([*command, "--dask", cluster.scheduler_address], capture_output=True, text=True, cwd="/")
    assert done.stdout.startswith("2 points x 2 seeds: 4 finished, 0 failed\nlargest value: 2.5 +- 0.71 at a=2;")
    assert subprocess.run(command, capture_output=True, text=True).stdout == done.stdout  # all of it from the store


def test_ray_gives_the_bits_of_one_after_the_other(tmp_path):
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    register_ray()
    # A function in here travels as it is; one of this file would be looked up in it, which Ray's workers cannot find.
    usual = flow.Training(lambda width: nn.Sequential(nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 10)), epochs=1)
    try:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        with joblib.parallel_config(backend="ray", n_jobs=2):
            result = flow.sweep(usual, {"width": [4, 8]}, seeds=2, store=tmp_path / "store")
    finally:
        ray.shutdown()
    assert equal(result, flow.sweep(usual, {"width": [4, 8]}, seeds=2, n_jobs=1))
    assert len(list((tmp_path / "store").glob("??/*.json"))) == 4
    assert np.isfinite([row.result["loss"] for row in result.rows]).all()
