"""Tests a sweep against its trainings taken one by one, and its store against what happens to folders and processes: Ctrl-C,
SIGKILL, a full disk, damage, no permission, two runs at once. Dask, Ray and lost workers are in test_sweep_engines.py."""

import dataclasses
import datetime
import functools
import importlib
import inspect
import json
import linecache
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from minidl import data, flow, init, kernels, nn, no_grad, optim
from minidl import functional as F
from minidl.random import Generator
from minidl.sweep import Row, Sweep, __main__, store
from minidl.sweep.identity import identity

POINTS = {"a": [1, 2, 3], "b": [0.5, 0.25]}


def train(point, seed):
    draws = Generator(seed).normal(3)
    return {"value": point["a"] * point["b"] + seed, "draws": draws, "first": draws[0]}


def logged(point, seed):
    """As `train`, but it writes down when it begins and ends, and takes its time."""
    line = f"{point['a']} {seed} {time.monotonic()}"
    time.sleep(point.get("seconds", 0))
    with open(point["log"], "a") as file:
        file.write(f"{line} {time.monotonic()}\n")
    return {"value": point["a"] + seed}


def trained(log):
    """(a, seed) of all that `logged` has trained."""
    return [tuple(map(int, line.split()[:2])) for line in log.read_text().splitlines()] if log.exists() else []


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def equal(one, other):
    """Whether two sweeps have the same rows, bit for bit."""
    return [bits(row) for row in one.rows] == [bits(row) for row in other.rows]


def bits(row):
    arrays = {n: (v.dtype, v.shape, v.tobytes()) for n, v in (row.result or {}).items() if isinstance(v, np.ndarray)}
    return row.point, row.seed, repr({**(row.result or {}), **arrays}), row.error


# What is trained


def test_the_rows_are_what_the_function_returns_for_every_point_and_seed_in_the_order_of_the_grid():
    rows = flow.sweep(train, POINTS, seeds=2).rows
    assert [(row.point["a"], row.point["b"], row.seed) for row in rows] == [
        (a, b, seed) for a in (1, 2, 3) for b in (0.5, 0.25) for seed in (0, 1)
    ]
    assert rows[3].result["value"] == 1 * 0.25 + 1
    assert rows[-1].result["draws"].tolist() == Generator(1).normal(3).tolist()
    assert all(row.error is None for row in rows)


def test_a_grid_may_be_a_list_of_points_and_seeds_a_list():
    result = flow.sweep(train, [{"a": 1, "b": 2.0}, {"a": 5, "b": 0.0}], seeds=[7, 3])
    assert [(row.point["a"], row.seed, row.result["value"]) for row in result.rows] == [
        (1, 7, 9),
        (1, 3, 5),
        (5, 7, 7),
        (5, 3, 3),
    ]


def network(width, activation=nn.Tanh):
    return nn.Sequential(nn.Linear(2, width), activation(), nn.Linear(width, 3))


SPIRALS = data.spirals(40, rng=0)
SPLIT = (SPIRALS[0][::2], SPIRALS[1][::2], SPIRALS[0][1::2], SPIRALS[1][1::2])


def test_a_training_is_the_one_that_one_would_write():
    usual = flow.Training(network, SPLIT, epochs=3, momentum=0.5, batch_size=16)
    (row,) = flow.sweep(usual, {"width": [16], "lr": [0.2]}, seeds=[7]).rows
    model = network(16).initialize(rng=7)
    optimizer = optim.SGD(model.parameters(), lr=0.2, momentum=0.5)
    loader = data.DataLoader(SPLIT[:2], 16, shuffle=True, rng=Generator(7).stream("compare.batches"))
    for epoch in range(4):
        with no_grad():
            assert row.result["losses"][epoch] == F.cross_entropy(model(SPLIT[0]), SPLIT[1]).item()
            assert row.result["accuracies"][epoch] == np.mean(model(SPLIT[2]).data.argmax(axis=1) == SPLIT[3])
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    assert (row.result["loss"], row.result["accuracy"]) == (row.result["losses"][3], row.result["accuracies"][3])


def test_a_training_that_diverges_has_no_loss_and_no_accuracy():
    (row,) = flow.sweep(
        flow.Training(network, SPLIT, epochs=2), {"width": [16], "activation": [nn.ReLU], "lr": [1e30]}, seeds=1
    ).rows
    assert row.error is None
    assert math.isnan(row.result["loss"])
    assert row.result["accuracy"] == 0
    assert np.isfinite(row.result["losses"]).tolist() == [True, False, False]


def test_data_may_be_a_function_and_the_digits_are_there_without_any():
    for given in (SPLIT, lambda: SPLIT):
        result = flow.sweep(flow.Training(network, given, epochs=1), {"width": [4]}, seeds=1)
        assert result.rows[0].result["losses"].shape == (2,)
    digits = flow.Training(lambda width: nn.Sequential(nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 10)), epochs=3)
    assert flow.sweep(digits, {"width": [32]}, seeds=1).rows[0].result["accuracy"] > 0.9


# The same bits


def test_threads_and_processes_give_the_bits_of_one_after_the_other_and_the_kernels_have_their_threads_again():
    joblib = pytest.importorskip("joblib")
    usual = flow.Training(network, SPLIT, epochs=4)
    grid = {"width": [4, 16], "activation": [nn.Tanh, nn.ReLU], "momentum": [0.0, 0.9]}
    cores = kernels.get_num_threads()
    expected = flow.sweep(usual, grid, seeds=2, n_jobs=1)
    for backend in ("threading", "loky"):
        with joblib.parallel_config(backend=backend, n_jobs=2):
            assert equal(flow.sweep(usual, grid, seeds=2), expected), backend
            assert equal(flow.sweep(train, POINTS), flow.sweep(train, POINTS, n_jobs=1)), backend
    assert kernels.get_num_threads() == cores


def test_workers_share_the_cores(monkeypatch):
    joblib = pytest.importorskip("joblib")
    monkeypatch.setattr(flow.Training, "check", lambda *_: None)
    monkeypatch.setattr(flow.Training, "__call__", lambda *_: {"threads": kernels.get_num_threads()})
    cores = kernels.get_num_threads()
    try:
        for given, jobs, expected in ((8, 4, 2), (8, 3, 2), (2, 4, 1), (8, 1, 8)):
            kernels.set_num_threads(given)
            with joblib.parallel_config(backend="threading"):  # a process would not know of the change above
                result = flow.sweep(flow.Training(network), {"width": list(range(6))}, n_jobs=jobs)
            assert [(row.error, row.result) for row in result.rows] == [(None, {"threads": expected})] * 18
            assert kernels.get_num_threads() == given
    finally:
        kernels.set_num_threads(cores)


# The store


def test_a_second_call_trains_nothing_and_a_larger_grid_only_what_is_new(tmp_path):
    log, grid = tmp_path / "log", {"a": [1, 2], "log": [str(tmp_path / "log")]}
    first = flow.sweep(logged, grid, seeds=2, store=tmp_path / "store")
    assert sorted(trained(log)) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    again = flow.sweep(logged, grid, seeds=2, store=tmp_path / "store")
    assert len(trained(log)) == 4
    assert equal(first, again)
    larger = flow.sweep(logged, grid | {"a": [2, 3]}, seeds=[1, 5], store=str(tmp_path / "store"))
    assert sorted(trained(log)[4:]) == [(2, 5), (3, 1), (3, 5)]
    assert [row.result["value"] for row in larger.rows] == [3, 7, 4, 8]


def test_what_comes_out_of_the_store_is_what_went_in_bit_for_bit(tmp_path):
    def everything(point, seed):
        return {
            "float": 0.1 + 0.2,
            "smallest": 5e-324,
            "nan": math.nan,
            "inf": -math.inf,
            "int": 2**70,
            "bool": True,
            "none": None,
            "text": "±\n\ud800",
            "scalar": np.float32(0.1),
            "zero-d": np.array(3, np.int8),
            "list": [1, 2, 3],
            "float32": np.array([[0.1, -0.0], [math.nan, math.inf]], np.float32).T,
            "bools": np.array([True, False]),
            "empty": np.empty((0, 3)),
            "big-endian": np.arange(3, dtype=">i2"),
            "dtype": np.arange(2),
            "array": 1,
            "tensor": F.tanh(nn.Parameter(np.ones(2, np.float32))),
        }

    first, again = (flow.sweep(everything, {"a": [1]}, seeds=1, store=tmp_path / "store") for _ in range(2))
    assert equal(first, again)
    assert [type(value) for value in first.rows[0].result.values()] == [type(value) for value in again.rows[0].result.values()]
    assert again.rows[0].result["scalar"] == float(np.float32(0.1))
    assert again.rows[0].result["float32"].flags.writeable


def test_a_record_is_json_that_people_can_read(tmp_path):
    flow.sweep(train, {"a": [2], "b": [0.5], "init": [init.HeNormal()], "f": [np.tanh]}, seeds=[4], store=tmp_path / "store")
    (path,) = (tmp_path / "store").glob("??/*.json")
    record = json.loads(path.read_text())
    assert record["point"] == {"a": 2, "b": 0.5, "init": "HeNormal(a=0.0, mode='fan_in')", "f": "tanh"}
    assert (record["seed"], record["result"]["value"]) == (4, 5.0)


def test_no_damage_to_a_record_goes_unnoticed(tmp_path):
    opened = store.Store(tmp_path / "store")
    key = store.keys(train, [({"a": 1}, 0)])[0]
    opened.write(key, {"a": 1}, 0, train({"a": 1, "b": 2}, 0))
    path = Path(opened.path(key))
    whole = path.read_bytes()
    for at in range(len(whole)):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match="checksum"):
                opened.read(key)
    path.write_bytes(whole)
    assert opened.read(key)["value"] == 2


def test_damaged_records_are_trained_again_and_that_is_said(tmp_path):
    expected = flow.sweep(train, POINTS, store=tmp_path)
    paths = sorted(tmp_path.glob("??/*.json"))
    paths[0].write_bytes(paths[0].read_bytes()[:20])
    paths[5].write_bytes(b"")
    with pytest.warns(UserWarning, match=r"trained again.* damaged: .*\.json \(its checksum is wrong\)"):
        again = flow.sweep(train, POINTS, store=tmp_path)
    assert equal(again, expected)
    assert equal(flow.sweep(train, POINTS, store=tmp_path), expected)  # and without a warning


def test_a_record_under_the_name_of_another_is_trained_again(tmp_path):
    result = flow.sweep(train, POINTS, store=tmp_path / "store")
    one, other, *_ = (tmp_path / "store").glob("??/*.json")
    one.write_bytes(other.read_bytes())
    with pytest.warns(UserWarning, match=r"trained again, for the record is damaged: .* \(its checksum is wrong\)"):
        assert equal(flow.sweep(train, POINTS, store=tmp_path / "store"), result)


def test_an_interrupt_keeps_what_is_finished_and_says_how_to_go_on(tmp_path, monkeypatch):
    calls = []

    def interrupted(point, seed):
        calls.append((point["a"], seed))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return {"value": point["a"]}

    monkeypatch.setattr(store, "identity", lambda value: getattr(value, "__name__", repr(value)))  # without the list `calls`
    with pytest.raises(KeyboardInterrupt) as raised:
        flow.sweep(interrupted, {"a": [1, 2, 3]}, seeds=4, store=tmp_path)
    assert raised.value.__notes__ == [f"4 of 12 points are in {tmp_path}; the same call goes on from there"]
    assert len(list(tmp_path.glob("??/*.json"))) == 4
    flow.sweep(interrupted, {"a": [1, 2, 3]}, seeds=4, store=tmp_path)
    assert len(calls) == 13
    assert len(set(calls)) == 12


RUN = """
import sys
sys.path[:0] = {paths!r}
from minidl import flow
from test_sweep import logged
grid = {{"a": list(range({count})), "log": [{log!r}], "seconds": [{seconds}]}}
print("begins", flush=True)
flow.sweep(logged, grid, seeds=1, store={store!r}, n_jobs={n_jobs})
"""


def begin(folder, log, count=40, seconds=0.02, n_jobs=1):
    paths = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
    code = RUN.format(paths=paths, log=str(log), count=count, seconds=seconds, store=str(folder), n_jobs=n_jobs)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="signals are for POSIX")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_loses_only_what_it_was_at(tmp_path, number):
    log = tmp_path / "log"
    for _ in range(3):
        process = begin(tmp_path / "store", log)
        time.sleep(0.3)
        process.send_signal(number)
        process.communicate()
    process = begin(tmp_path / "store", log)
    assert process.communicate()[1] == ""
    assert set(trained(log)) == {(a, 0) for a in range(40)}
    assert len(trained(log)) <= 40 + 3  # each time at most the one between its end and its record


@pytest.mark.skipif(sys.platform == "win32", reason="signals are for POSIX")
def test_two_runs_at_once_share_the_work(tmp_path):
    log = tmp_path / "log"
    both = [begin(tmp_path / "store", log, count=60) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == ["", ""]
    assert set(trained(log)) == {(a, 0) for a in range(60)}
    assert len(trained(log)) < 90  # twice, where both were at the same point: with random orders, some out of the 60


def test_a_point_that_another_run_has_finished_meanwhile_is_not_begun(tmp_path, monkeypatch):
    calls, grid = [], {"a": [1, 2, 3, 4, 5]}

    def meanwhile(point, seed):
        calls.append(point["a"])
        if len(calls) == 1:
            flow.sweep(meanwhile, grid, seeds=1, store=tmp_path)  # all of it, for none is finished yet
        return {"value": point["a"]}

    monkeypatch.setattr(store, "identity", lambda value: getattr(value, "__name__", repr(value)))  # without the list `calls`
    result = flow.sweep(meanwhile, grid, seeds=1, store=tmp_path)
    assert sorted(calls[1:]) == [1, 2, 3, 4, 5]
    assert [row.result["value"] for row in result.rows] == [1, 2, 3, 4, 5]


def test_where_a_worker_does_not_see_the_folder_the_result_is_stored_by_the_one_who_asked(tmp_path, monkeypatch):
    write, blind = store.Store.write, iter([True, False] * 18)  # each record: first the worker's attempt, then the other's

    def attempt(self, *record):
        if next(blind):
            raise FileNotFoundError
        write(self, *record)

    monkeypatch.setattr(store.Store, "write", attempt)
    result = flow.sweep(train, POINTS, store=tmp_path)
    assert next(blind, None) is None
    assert len(list(tmp_path.glob("??/*.json"))) == len(result.rows) == 18


FULL = """
import resource, signal, sys
sys.path[:0] = {paths!r}
import numpy as np
from minidl import flow
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))  # no file grows further: a disk that is full then
from test_sweep import large
try:
    flow.sweep(large, {{"n": [1, 2, 1000]}}, seeds=3, store="store")
except OSError as error:
    print("full", *error.__notes__)
else:
    print("done")
"""


def large(point, seed):
    return {"values": np.arange(float(point["n"])) + seed}


@pytest.mark.skipif(sys.platform == "win32", reason="limits are for POSIX")
def test_on_a_full_disk_the_sweep_ends_and_goes_on_when_there_is_room(tmp_path):
    paths = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

    def run(limit):
        code = FULL.format(paths=paths, limit=limit)
        return subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    done = run(1000)
    assert done.stderr == ""
    assert re.fullmatch(r"full \d of 9 points are in store; the same call goes on from there\n", done.stdout)
    kept = files(tmp_path / "store")
    assert len(kept) == 1 + int(done.stdout.split()[1])
    assert run(100_000).stdout == "done\n"
    assert kept.items() <= files(tmp_path / "store").items()
    assert len(files(tmp_path / "store")) == 10


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
def test_without_permission_nothing_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(inspect, "getsource", functools.cache(inspect.getsource))  # the other user may not see this file
    tmp_path.chmod(0o755)
    log, grid = tmp_path / "log", {"a": [1, 2], "log": [str(tmp_path / "log")]}
    folder = tmp_path / "store"
    flow.sweep(logged, grid, seeds=1, store=folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before, root = files(folder), os.geteuid() == 0
    try:
        if root:
            for parent in tmp_path.parents:  # that of pytest is for its user alone
                if parent.stat().st_uid == 0 and "pytest" in str(parent):
                    parent.chmod(0o755)
            os.seteuid(65534)
        assert len(flow.sweep(logged, grid, seeds=1, store=folder).rows) == 2  # all of it is there, and can be read
        with pytest.raises(PermissionError):
            flow.sweep(logged, grid, seeds=2, store=folder)
        with pytest.raises(PermissionError):
            flow.sweep(logged, grid, seeds=2, store=folder / "another")
    finally:
        if root:
            os.seteuid(0)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
    assert len(trained(log)) == 2
    assert files(folder) == before


def test_a_folder_with_other_things_and_a_store_of_another_version_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(ValueError, match="is a folder with other files in it; name a new one"):
        flow.sweep(train, POINTS, store=tmp_path)
    assert files(tmp_path) == {"thesis.tex": b"..."}

    flow.sweep(train, POINTS, store=tmp_path / "store")
    header = tmp_path / "store" / "sweep.json"
    for content in ('{"format": 1, "minidl": "0.0.9"}', '{"format": 2, "minidl": "0.1.0"}', "", "[1"):
        header.write_text(content)
        before = files(tmp_path)
        with pytest.raises(ValueError, match="whose results may differ; name a new folder") as raised:
            flow.sweep(train, POINTS, store=tmp_path / "store")
        assert content in str(raised.value)
        assert files(tmp_path) == before
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        flow.sweep(train, POINTS, store=tmp_path / "file")


# What determines a result


def key_of(source, name="train", point=None, **globals_):
    """The key of the function of this name in a file, as a fresh process would make it."""
    return store.keys(loaded(source, name, **globals_), [(point or {"a": 1}, 0)])[0]


def loaded(source, name, **globals_):
    file = f"<{hash(source)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space = {"__name__": "experiment", **globals_}
    exec(compile(source, file, "exec"), space)
    return space[name]


BASE = textwrap.dedent("""
    import numpy as np
    from functools import lru_cache, partial
    from minidl import init
    WIDTH = 64
    TABLE = np.arange(3)
    START = init.HeNormal()
    class Model:
        depth = 3
        def scale(self):
            return 0.5
    @lru_cache
    def helper(x):
        return inner(x)
    def inner(x):
        return x + 1
    def other(x):
        return x
    def train(point, seed, factor=2):
        def local(x):
            return WIDTH * x
        return {"loss": helper(local(point["a"])) * Model().scale() * TABLE[0] + START.a}
    bound = partial(train, factor=3)
    """)


def test_a_record_belongs_to_the_function_and_to_what_it_uses():
    assert key_of(BASE) == key_of(BASE)
    changes = {
        "WIDTH = 64": "WIDTH = 65",  # used by a function inside
        "np.arange(3)": "np.arange(4)",
        "init.HeNormal()": "init.HeNormal(0.1)",
        "depth = 3": "depth = 4",
        "return 0.5": "return 0.25",
        "return x + 1": "return x + 2",  # used by a function that is used, behind a cache
        "factor=2": "factor=1",
        'point["a"]': 'point["a"] ** 2',
        "* TABLE[0]": "* TABLE[1]",
    }
    keys = [key_of(BASE.replace(*change)) for change in changes.items()]
    assert len({key_of(BASE), *keys}) == 1 + len(changes)
    assert key_of(BASE.replace("        return x\n", "        return -x\n").replace("return x\n", "return -x\n")) == key_of(
        BASE
    )
    assert key_of(BASE, "bound") != key_of(BASE.replace("factor=3", "factor=4"), "bound")


def test_a_record_belongs_to_its_point_and_seed():
    points = [
        {"a": 1},
        {"a": 1.0},
        {"a": True},
        {"a": "1"},
        {"b": 1},
        {"a": [1]},
        {"a": None},
        {"a": math.nan},
        {"a": np.ones(1)},
    ]
    points += [{"a": init.HeNormal()}, {"a": init.HeUniform()}, {"a": nn.Tanh}, {"a": nn.ReLU}, {"a": np.zeros(1)}, {"a": {1}}]
    tasks = [(point, seed) for point in points for seed in (0, 1)]
    assert len(set(store.keys(train, tasks))) == len(tasks)
    one, other = store.keys(train, [({"a": 1, "b": 2}, 0)]), store.keys(train, [({"b": 2, "a": 1}, 0)])
    assert one == other  # whatever the order of the names


def test_functions_that_differ_only_in_their_closure_or_line_are_told_apart():
    def power(n):
        return lambda point, seed: {"value": point["a"] ** n}

    one, two = (store.keys(power(n), [({"a": 3}, 0)])[0] for n in (1, 2))
    assert one != two
    same = [lambda x: x, lambda x: 2 * x]
    with pytest.raises(TypeError, match=r"sweep: 'f' in the grid: two lambdas on one line cannot be told apart"):
        store.keys(train, [({"f": f}, 0) for f in same])


CLASSES = """
class Base:
    def f(self):
        return 1
class Train(Base):
    def __call__(self, point, seed):
        return {}
train = Train()
"""
RECURSIVE = """
def train(point, seed):
    return train(point, seed) if seed else other(point)
def other(p):
    return train(p, 0)
"""


def test_a_class_and_what_it_inherits_count():
    changed = [CLASSES, CLASSES.replace("1", "2"), CLASSES.replace("{}", "{'a': 1}"), CLASSES + "train.width = 3\n"]
    assert len({key_of(source) for source in changed}) == 4
    assert key_of(CLASSES) == key_of(CLASSES)


@dataclasses.dataclass
class Settings:
    width: int = 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"a", b"b"),
        (b"ab", b"cd"),
        ({1: 0}, {"1": 0}),
        ({None: 0}, {"None": 0}),
        (0.0, -0.0),
        (datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)),
        (np.longdouble(1), np.longdouble(2)),
        (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[0, 0])),
        (np.zeros(2, [("a", int)]), np.zeros(2, [("b", int)])),
        (np.array([1, "a"], object), np.array([1, "b"], object)),
        tuple(functools.update_wrapper(functools.partial(train, factor=factor), train) for factor in (1, 2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_differ_are_told_apart(one, other):
    assert identity(one) == identity(one) != identity(other)


def test_a_dataclass_counts_by_its_source_and_fields():
    assert identity(Settings()) == identity(Settings(1)) != identity(Settings(2))


def test_what_is_in_itself_is_refused():
    ring = []
    ring.append(ring)
    with pytest.raises(TypeError, match="sweep: 'a' in the grid: list is nested too deeply, or in itself"):
        store.keys(train, [({"a": ring}, 0)])


BY_HELPERS = """
import helpers
from functools import cached_property, lru_cache
DEPTH = 3
def pick(function, number):
    return function
class Model:
    depth = DEPTH
    @cached_property
    def scale(self):
        return of_property()
    @lru_cache
    def shift(self):
        return of_method()
def of_property():
    return 1
def of_method():
    return 10
def train(point, seed):
    return {"value": Model().depth * Model().scale + Model().shift()}
def by_module(point, seed):
    return {"value": helpers.outer(1)}
def when_called(point, seed):
    from helpers import outer
    return {"value": outer(1)}
over_lines = pick(
    lambda point, seed:
        {"value": 5},
    1)
def with_attribute(point, seed):
    return {"value": with_attribute.factor}
with_attribute.factor = 7
"""


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("train", ("DEPTH = 3", "DEPTH = 4")),
        ("train", ("return 1\n", "return 2\n")),
        ("train", ("return 10", "return 20")),
        ("by_module", ("x + 100", "x + 200")),  # two files away
        ("when_called", ("x + 100", "x + 200")),
        ("over_lines", ('{"value": 5}', '{"value": 6}')),
        ("with_attribute", ("factor = 7", "factor = 8")),
    ],
)
def test_a_change_is_seen_wherever_it_hides(name, change, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    files = {
        "experiment": BY_HELPERS,
        "helpers": "from deeper import inner\ndef outer(x):\n    return inner(x)\n",
        "deeper": "def inner(x):\n    return x + 100\n",
    }

    def key():
        for module in files:
            monkeypatch.delitem(sys.modules, module, raising=False)
        importlib.invalidate_caches()
        linecache.clearcache()
        return store.keys(getattr(importlib.import_module("experiment"), name), [({"a": 1}, 0)])[0]

    keys = []
    for old, new in (("", ""), ("", ""), change):
        for module, source in files.items():
            (tmp_path / f"{module}.py").write_text(source.replace(old, new))
        keys.append(key())
    assert keys[0] == keys[1] != keys[2]


def test_functions_that_call_each_other_have_an_end():
    assert key_of(RECURSIVE) == key_of(RECURSIVE) != key_of(RECURSIVE.replace("(p, 0)", "(p, 1)"))


def test_the_same_key_comes_from_another_process(tmp_path):
    paths = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
    code = f"import sys; sys.path[:0] = {paths}; from test_sweep import *"
    code += "; print(store.keys(train, [({'a': {'x', 'y', 'z'}}, 0)])[0])"
    environments = [{**os.environ, "PYTHONHASHSEED": str(seed)} for seed in (1, 2)]
    printed = {subprocess.run([sys.executable, "-c", code], env=e, capture_output=True, text=True).stdout for e in environments}
    assert printed == {store.keys(train, [({"a": {"x", "y", "z"}}, 0)])[0] + "\n"}


@pytest.mark.parametrize(
    "value", [threading.Lock(), (i for i in range(3)), sys._getframe()], ids=["lock", "generator", "frame"]
)
def test_what_cannot_be_told_apart_is_refused_before_anything_is_made(value, tmp_path):
    with pytest.raises(TypeError, match=r"sweep: 'f' in the grid: what determines .* cannot be told"):
        flow.sweep(train, {"f": [value]}, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()
    assert flow.sweep(lambda point, seed: {"one": 1}, {"f": [value]}, seeds=1).rows[0].result == {"one": 1}  # without a store


def test_a_function_without_source_cannot_have_a_store(tmp_path):
    space = {"__name__": "typed"}
    exec("def train(point, seed):\n    return {}", space)
    with pytest.raises(TypeError, match=r"sweep: train: the source of train cannot be read.*write it to a file"):
        flow.sweep(space["train"], {"a": [1]}, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


# Errors


def test_a_failed_point_is_a_row_with_its_error_and_is_tried_again(tmp_path):
    log = tmp_path / "log"
    grid = {"a": [1, 2, 3], "log": [str(log)]}
    for attempt in (1, 2):
        result = flow.sweep(failing, grid, seeds=1, store=tmp_path / "store")
        assert [row.error is None for row in result.rows] == [True, False, True]
        line = failing.__code__.co_firstlineno + 3
        assert result.rows[1].error == f"ValueError: 2 is even (test_sweep.py, line {line})"
        assert result.rows[1].result is None
        assert sorted(trained(log)) == sorted([(1, 0), (3, 0), *[(2, 0)] * attempt])
    assert "2 finished, 1 failed" in str(result)
    assert f"the first that failed: a=2, log={log}, seed 0: ValueError: 2 is even" in str(result)
    assert [row["value"] for row in result.table()] == [1, None, 3]


def failing(point, seed):
    result = logged(point, seed)
    if point["a"] % 2 == 0:
        raise ValueError(f"{point['a']} is even")
    return result


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "TypeError: train must return a dict of numbers and arrays"),
        ([1, 2], "TypeError: train must return a dict of numbers and arrays"),
        ({1: 2}, "TypeError: train must return a dict of numbers and arrays"),
        ({"loss": object()}, "TypeError: train returned 'loss', which is neither a number nor a string nor an array"),
        ({"loss": 1j}, "TypeError: train returned 'loss', which is neither"),
        ({"loss": ["a"]}, "TypeError: train returned 'loss', which is neither"),
        ({"loss": np.longdouble(1)}, "TypeError: train returned 'loss', which is neither"),
        ({"loss": np.ma.masked_array([1.0], [True])}, "TypeError: train returned 'loss', which is neither"),
        ({"a": 3}, "ValueError: train returned 'a', which is another column of the table"),
        ({"seed": 3}, "ValueError: train returned 'seed', which is another column of the table"),
    ],
)
def test_something_else_in_the_middle_is_an_error_of_its_row(returned, message, tmp_path):
    def changing(point, seed):
        return returned if point["a"] == 2 else {"loss": 0.5}

    result = flow.sweep(lambda point, seed: changing(point, seed), {"a": [1, 2, 3]}, seeds=1)
    assert [row.error is None for row in result.rows] == [True, False, True]
    assert result.rows[1].error.startswith(message)


def test_names_may_differ_from_row_to_row():
    result = flow.sweep(lambda point, seed: {f"x{point['a']}": 1}, {"a": [1, 2]}, seeds=1)
    assert result.table() == [
        {"a": 1, "seed": 0, "x1": 1, "x2": None, "error": None},
        {"a": 2, "seed": 0, "x1": None, "x2": 1, "error": None},
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"grid": {}}, TypeError, "a point is a dict such as"),
        ({"grid": []}, ValueError, "there is no point in the grid"),
        ({"grid": {"a": []}}, ValueError, "there is no point in the grid"),
        ({"grid": 3}, TypeError, "the grid is a mapping such as"),
        ({"grid": "abc"}, TypeError, "the grid is a mapping such as"),
        ({"grid": {"a": 3}}, TypeError, r"'a' in the grid must be a list of values, such as \[3\], got 3"),
        ({"grid": {"a": "tanh"}}, TypeError, r"'a' in the grid must be a list of values, such as \['tanh'\]"),
        ({"grid": [{"a": 1}, {"b": 1}]}, ValueError, r"all points must have the same names, got \{'a': 1\} and \{'b': 1\}"),
        ({"grid": [{"a": 1}, 3]}, TypeError, "a point is a dict such as .* got 3"),
        ({"grid": {"seed": [1]}}, ValueError, "'seed' is a column of the table, so it cannot be a name in the grid"),
        ({"grid": {"a": [1, 1]}}, ValueError, r"the point \{'a': 1\} with seed 0 is there twice"),
        ({"seeds": 0}, ValueError, "seeds must be a positive integer"),
        ({"seeds": True}, ValueError, "seeds must be a positive integer"),
        ({"seeds": [1.5]}, ValueError, "seeds must be a positive integer"),
        ({"seeds": [-1]}, ValueError, "seeds must be a positive integer"),
        ({"seeds": [1, 1]}, ValueError, "a seed is there twice"),
        ({"seeds": None}, ValueError, "seeds must be a positive integer"),
        ({"train": 3}, TypeError, r"train must be a function of \(point, seed\), .* got 3"),
        *(({"n_jobs": n}, ValueError, f"n_jobs must be how many points at a time, .* got {n!r}") for n in (0, "2", 1.5, True)),
    ],
)
def test_a_wrong_argument_is_named_and_the_store_is_as_it_was(arguments, error, message, tmp_path):
    flow.sweep(train, POINTS, store=tmp_path / "store")
    before = files(tmp_path)
    with pytest.raises(error, match=f"sweep: .*{message}"):
        flow.sweep(**({"train": train, "grid": {"a": [1], "b": [2]}, "seeds": 1, "store": tmp_path / "store"} | arguments))
    assert files(tmp_path) == before


def test_names_that_no_training_knows_are_refused_before_anything_is_trained(tmp_path):
    usual = flow.Training(network, SPLIT)
    with pytest.raises(TypeError, match=r"the grid has widht, .*'width'.*; did you mean 'width'\?"):
        flow.sweep(usual, {"widht": [3]}, store=tmp_path / "store")
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'depth'"):
        flow.sweep(usual, {"width": [3], "depth": [3]}, store=tmp_path / "store")
    with pytest.raises(TypeError, match="missing a required argument: 'width'"):
        flow.sweep(usual, {"lr": [3]}, store=tmp_path / "store")
    with pytest.raises(TypeError, match="model must be a function that makes one"):
        flow.Training(nn.Linear(2, 3))
    assert not (tmp_path / "store").exists()


def test_without_joblib_one_after_the_other_works_and_more_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert len(flow.sweep(train, POINTS, n_jobs=1).rows) == 18
    with pytest.raises(ImportError, match="n_jobs=2 needs joblib: pip install joblib"):
        flow.sweep(train, POINTS, n_jobs=2)


def test_neither_joblib_nor_matplotlib_is_loaded_before_it_is_needed():
    code = """import sys; from minidl import flow
flow.sweep(lambda point, seed: {}, {"a": [1]})
print({"joblib", "matplotlib"} & {*sys.modules})"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


# The table


def made_up():
    values = {(10, 0.1): (0.5, 0.7), (10, 1.0): (0.9, 0.8), (20, 0.1): (0.2, 0.2), (20, 1.0): (math.nan, 0.1)}
    rows = [
        Row({"depth": depth, "lr": lr}, seed, {"accuracy": value, "curve": np.arange(2.0)}, None)
        for (depth, lr), both in values.items()
        for seed, value in enumerate(both)
    ]
    return Sweep([*rows, *(Row({"depth": 30, "lr": 0.1}, seed, None, "ValueError: no") for seed in (0, 1))])


def test_the_table_is_plain_python_and_pandas_and_polars_take_it(tmp_path):
    table = made_up().table()
    assert table[1] == {"depth": 10, "lr": 0.1, "seed": 1, "accuracy": 0.7, "curve": [0.0, 1.0], "error": None}
    assert table[-1] == {"depth": 30, "lr": 0.1, "seed": 1, "accuracy": None, "curve": None, "error": "ValueError: no"}
    assert json.loads(json.dumps(table[0])) == table[0]
    printed = Sweep([Row({"act": nn.Tanh, "init": init.Zeros(), "n": np.int64(3)}, 0, {}, None)]).table()
    assert printed == [{"act": "Tanh", "init": "Zeros()", "n": 3, "seed": 0, "error": None}]


def test_pandas_and_polars_write_the_table(tmp_path):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(made_up().table())
    frame.to_parquet(tmp_path / "sweep.parquet")
    frame.to_csv(tmp_path / "sweep.csv")
    assert pandas.read_parquet(tmp_path / "sweep.parquet")["accuracy"].tolist()[:2] == [0.5, 0.7]
    other = polars.DataFrame(made_up().table())
    assert other.shape == (10, 6)
    other.write_json(tmp_path / "sweep.json")


def test_a_pivot_has_the_means_over_the_seeds_by_hand():
    rows, columns, values = made_up().pivot("depth", "lr", "accuracy")
    assert (rows, columns) == ([10, 20], [0.1, 1.0])
    np.testing.assert_allclose(values, [[0.6, 0.85], [0.2, math.nan]])
    assert made_up().pivot("seed", "lr", "accuracy").values[1].tolist() == pytest.approx([(0.7 + 0.2) / 2, (0.8 + 0.1) / 2])
    holes = Sweep([row for row in made_up().rows if row.point != {"depth": 20, "lr": 1.0}])
    np.testing.assert_allclose(holes.pivot("lr", "depth", "accuracy").values, [[0.6, 0.2], [0.85, math.nan]])


def test_values_that_are_printed_alike_are_not_mixed():
    double, triple = (lambda x, factor=factor: factor * x for factor in (2, 3))
    long, other = np.zeros(2000), np.zeros(2000)
    other[1000] = 1
    nans = [float("nan"), float("nan")]
    for values, labels in (
        ([double, triple], [double.__qualname__, f"{double.__qualname__} (2)"]),
        ([long, other], [str(long), f"{long} (2)"]),
        ([1, 1.0, True], [1, "1.0 (2)", "True (3)"]),
        ([0.0, -0.0], [0.0, "-0.0 (2)"]),
        ([init.HeNormal(), init.HeNormal()], [str(init.HeNormal())]),
        (nans, [nans[0]]),
    ):
        result = Sweep([Row({"a": value}, 0, {"value": i}, None) for i, value in enumerate(values)])
        assert [row["a"] for row in result.table()] == (labels if len(labels) == len(values) else labels * len(values))
        assert result.pivot("a", "seed", "value").rows == labels
        assert f"of {len(labels) - 1} others" in str(Sweep([row._replace(seed=s) for row in result.rows for s in (0, 1)]))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("dept", "lr", "accuracy"), "the sweep has no 'dept'; there are depth, lr, seed"),
        (("depth", "lr", "loss"), "no row has a 'loss'; there are accuracy, curve"),
        (("depth", "lr", "curve"), "'curve' must be the name of a number, and is a ndarray"),
    ],
)
def test_a_name_that_is_not_there_is_said_with_those_that_are(names, message):
    with pytest.raises(ValueError, match=message):
        made_up().pivot(*names)


def test_the_summary_says_the_best_point_and_how_far_chance_goes():
    # 0.85 +- 0.0707; standard errors 0.05 and 0.1 (of 0.5, 0.7): 0.25 is more than 2 sqrt(0.05^2 + 0.1^2) = 0.224
    lines = str(made_up()).splitlines()
    assert lines == [
        "5 points x 2 seeds: 8 finished, 2 failed",
        "the first that failed: depth=30, lr=0.1, seed 0: ValueError: no",
        "largest accuracy: 0.85 +- 0.071 at depth=10, lr=1.0; within chance of it: 0 of 3 others",
    ]
    near = [Row(row.point, row.seed, {"accuracy": 0.9 * row.result["accuracy"] + 0.1}, None) for row in made_up().rows[:4]]
    near[1] = near[1]._replace(result={"accuracy": 0.9})  # 0.725 and 0.865: standard errors 0.175 and 0.045
    assert str(Sweep(near)).endswith("within chance of it: 1 of 1 others")
    single = Sweep([row for row in made_up().rows if row.seed == 0])
    assert str(single).endswith("largest accuracy: 0.9 at depth=10, lr=1.0; how far chance goes, only more seeds can say")
    nowhere = Sweep([Row({"a": 1}, 0, {"loss": math.nan}, None)])
    assert str(nowhere).endswith("loss: not finite anywhere")
    assert str(nowhere).isascii()


def test_a_map_has_a_cell_for_each_pair_and_numbers_stand_where_they_belong(tmp_path):
    pytest.importorskip("matplotlib")
    figure = made_up().plot("lr", "depth", "accuracy", tmp_path / "map.png")
    axes = figure.axes[0]
    (mesh,) = axes.collections
    assert mesh.get_array().shape == (2, 2)
    assert mesh.get_array()[0].tolist() == pytest.approx([0.6, 0.85])
    assert mesh.get_array().mask.tolist() == [[False, False], [False, True]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("lr", "depth")
    assert (tmp_path / "map.png").stat().st_size > 5000

    def drawn(values):
        rows = [Row({"x": x, "y": y}, 0, {"z": 1.0}, None) for x in values for y in (1, 2)]
        return Sweep(rows).plot("x", "y", "z").axes[0]

    assert drawn([0.001, 0.01, 0.1]).get_xscale() == "log"
    assert drawn([1, 2, 3]).get_xscale() == "linear"
    assert [text.get_text() for text in drawn([nn.Tanh, nn.ReLU, "$x"]).get_xticklabels()] == ["Tanh", "ReLU", r"\$x"]
    drawn([5])


def test_a_curve_goes_through_the_means_in_a_band_from_the_least_to_the_largest():
    pytest.importorskip("matplotlib")
    axes = made_up().curve("lr", "accuracy", by="depth").axes[0]
    assert [line.get_label() for line in axes.lines] == ["depth=10", "depth=20"]
    assert axes.lines[0].get_ydata().tolist() == pytest.approx([0.6, 0.85])
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.5, 0.9)
    (line,) = made_up().curve("depth", "accuracy").axes[0].lines
    assert line.get_xdata().tolist() == [10, 20]


# The command line

EXPERIMENT = """
from minidl import nn
def model(width):
    return nn.Sequential(nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 10))
def train(point, seed):
    if point["a"] > 2:
        raise ValueError("too large")
    return {"value": point["a"] + seed}
"""


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    name = f"experiment_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(EXPERIMENT)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(toml, *arguments):
        (tmp_path / "sweep.toml").write_text(toml.replace("experiment", name))
        return __main__.main([str(tmp_path / "sweep.toml"), "--store", str(tmp_path / "store"), *arguments])

    yield run
    sys.modules.pop(name, None)


def test_a_sweep_from_a_file_prints_its_summary_and_python_finds_it_in_the_store(experiment, tmp_path, capsys):
    toml = 'train = "experiment.py:train"\nseeds = 2\n[grid]\na = [1, 2]\n'
    assert experiment(toml) == 0
    assert capsys.readouterr().out.startswith("2 points x 2 seeds: 4 finished, 0 failed\nlargest value: 2.5 +- 0.71 at a=2;")
    kept = files(tmp_path / "store")
    function = __main__.function(f"experiment_{tmp_path.name}.py:train")
    result = flow.sweep(function, {"a": [1, 2]}, seeds=2, store=tmp_path / "store")
    assert [row.result["value"] for row in result.rows] == [1, 2, 2, 3]
    assert files(tmp_path / "store") == kept
    assert experiment(toml.replace("[1, 2]", "[1, 9]")) == 1
    assert "2 finished, 2 failed" in capsys.readouterr().out


def test_a_sweep_from_a_file_of_the_usual_training(experiment, capsys):
    toml = '[grid]\nwidth = [4, 8]\n[training]\nmodel = "experiment.py:model"\nepochs = 1\n'
    assert experiment(toml) == 0
    assert "largest accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("grid = {}", "it needs a grid, and either train or training"),
        ('train = "experiment.py:train"', "it needs a grid, and either train or training"),
        ('train = "experiment.py:train"\ngird = {a = [1]}', "unknown entry 'gird'"),
        ('train = "train"\ngrid = {a = [1]}', 'a function is named such as "experiment'),
        ("train = 5\ngrid = {a = [1]}", 'a function is named such as "experiment'),
        ('train = "experiment.py:train"\ngrid = {a = 1}', "'a' in the grid must be a list of values"),
        ('train = "experiment.py:trian"\ngrid = {a = [1]}', "has no attribute 'trian'"),
        ('train = "missing.py:train"\ngrid = {a = [1]}', "No module named 'missing'"),
        ("grid = {a = [1]", "sweep.toml: "),
        ('grid = {a = [1]}\n[training]\nmodel = "experiment.py:model"', "missing a required argument: 'width'"),
        ('grid = {a = [1]}\n[training]\nmodel = "experiment.py:model"\nepoch = 1', "unexpected keyword argument 'epoch'"),
        ('grid = {width = [1]}\n[training]\nmodel = "experiment.py:model"\nepochs = "x"', "epochs must be a positive integer"),
        ('grid = {width = [1]}\n[training]\nmodel = "experiment.py:model"\nlr = -1', "lr"),
    ],
)
def test_what_is_wrong_with_the_file_is_said_in_a_line(toml, message, experiment, capsys):
    with pytest.raises(SystemExit, match="2"):
        experiment(toml)
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("source", ["def train(", "1 / 0", "raise SystemError"])
def test_a_file_that_cannot_be_run_is_said_in_a_line(source, experiment, tmp_path, capsys):
    (tmp_path / f"experiment_{tmp_path.name}.py").write_text(source)
    with pytest.raises(SystemExit, match="2"):
        experiment('train = "experiment.py:train"\ngrid = {a = [1]}')
    said = capsys.readouterr().err
    assert ".py cannot be run: " in said
    assert len(said.splitlines()) == 1


def test_a_store_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="must name a folder"):
        flow.sweep(lambda point, seed: {"a": 1}, {"a": [1]}, store="")
    assert list(tmp_path.iterdir()) == []


def test_what_is_a_number_in_some_rows_only_is_left_out():
    rows = [Row({"a": 1}, 0, {"x": 1, "y": "no", "z": None}, None), Row({"a": 2}, 0, {"x": 2, "y": 3.0, "z": None}, None)]
    result = Sweep(rows)
    assert str(result).splitlines()[1:] == ["largest x: 2 at a=2; how far chance goes, only more seeds can say"]
    assert ">y<" not in result.svg()
    assert "<pre" in result._repr_html_()


def test_numbers_whose_sum_overflows_are_not_finite():
    rows = [Row({"a": a}, seed, {"x": 1.7e308}, None) for a in (1, 2) for seed in (0, 1, 2)]
    assert str(Sweep(rows)).splitlines()[1] == "x: not finite anywhere"


def test_seeds_are_said_as_they_were_given():
    with pytest.raises(ValueError, match=r"which\), got 0$"):
        flow.sweep(train, POINTS, seeds=0)


def test_a_store_that_is_a_file(tmp_path):
    (tmp_path / "store").write_text("mine")
    with pytest.raises(NotADirectoryError, match="the store must be a folder, and this is a file"):
        flow.sweep(train, POINTS, store=tmp_path / "store")
    assert (tmp_path / "store").read_text() == "mine"


def test_a_number_of_numpy_is_a_number(tmp_path):
    flow.sweep(train, {"a": [1], "b": [0.5]}, seeds=1, store=tmp_path)
    before = sorted(tmp_path.rglob("*"))
    (row,) = flow.sweep(train, {"a": np.array([1]), "b": np.array([0.5], "f4")}, seeds=1, store=tmp_path).rows
    assert [type(value) for value in row.point.values()] == [int, float]
    assert sorted(tmp_path.rglob("*")) == before


def test_precision_and_kinds_of_keys_determine_a_record():
    values = [0.5, np.float32(0.5), np.float64(0.5), {1: 2}, {"1": 2}]
    assert len({identity(value) for value in values}) == len(values)


def test_without_dask_the_command_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.toml").write_text('train = "math.py:pow"\n[grid]\na = [1]\n')
    with pytest.raises(SystemExit) as ended:
        __main__.main(["sweep.toml", "--store", "store", "--dask", "tcp://127.0.0.1:1"])
    assert ended.value.code == 2
    assert 'pip install joblib "dask[distributed]"' in capsys.readouterr().err
