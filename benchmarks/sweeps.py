"""Sweeps: trainings a second in threads, in processes and in PyTorch, and what a point costs beside its training.

python -m benchmarks.sweeps [--threads 2] [--quick]

A training is one of 64-64-64-10 tanh networks: ten epochs of the digits in batches of 64 by SGD with momentum, and training and
test set evaluated after each, in minidl by `flow.Training`, in PyTorch by hand. As many are trained at a time as there are
--threads, each on one core; PyTorch's in processes, by the same `flow.sweep`. The contestants take turns.

What a point costs is measured with a function that returns at once, or after a millisecond; the processor time is that of the
process which deals the points out, and of the threads in it.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import compare

EPOCHS, BATCH, LR, MOMENTUM = 10, 64, 0.1, 0.9


def model(width: int) -> Any:
    from minidl import nn

    return nn.Sequential(nn.Linear(64, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 10))


def in_torch(point: dict[str, Any], seed: int) -> dict[str, float]:
    """The training of `flow.Training`, written as PyTorch's users write it."""
    import torch

    from minidl import data

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    width = point["width"]
    x, y, x_test, y_test = map(torch.from_numpy, data.digits())
    layers = [torch.nn.Linear(64, width), torch.nn.Tanh(), torch.nn.Linear(width, width), torch.nn.Tanh()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(width, 10))
    optimizer = torch.optim.SGD(network.parameters(), LR, MOMENTUM, fused=True)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            loss = torch.nn.functional.cross_entropy(network(x), y).item()
            accuracy = (network(x_test).argmax(1) == y_test).float().mean().item()
    return {"loss": loss, "accuracy": accuracy}


def at_once(point: dict[str, Any], seed: int) -> dict[str, float]:
    return {"loss": 0.5, "accuracy": 0.5}


def a_millisecond(point: dict[str, Any], seed: int) -> dict[str, float]:
    end = time.perf_counter() + 1e-3
    while time.perf_counter() < end:
        pass
    return {"loss": 0.5, "accuracy": 0.5}


def throughput(args: Any, trainings: int) -> list[dict[str, Any]]:
    """Trainings a second of each contestant, in the median of rounds."""
    import joblib

    from minidl import flow

    ours = flow.Training(model, epochs=EPOCHS, lr=LR, momentum=MOMENTUM, batch_size=BATCH)
    contestants: dict[str, tuple[Any, str]] = {"threads": (ours, "threading"), "processes": (ours, "loky")}
    if compare.torch_if_installed(1):
        contestants["PyTorch in processes"] = (in_torch, "loky")
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    accuracies = {}
    for i in range(2 if args.quick else 6):
        for name, (train, backend) in contestants.items():
            with joblib.parallel_config(backend=backend):
                start = time.perf_counter()
                result = flow.sweep(train, {"width": [64]}, seeds=trainings, n_jobs=args.threads)
                if i:  # in the first round processes start, and import what they need
                    rates[name].append(trainings / (time.perf_counter() - start))
            accuracies[name] = statistics.mean(row.result["accuracy"] for row in result.rows if row.result)
    return [
        {"contestant": name, "trainings a second": statistics.median(rates[name]), "accuracy": accuracies[name]}
        for name in rates
    ]


def cost(call: Callable[[], Any], points: int) -> dict[str, float]:
    """Microseconds a point: on the clock, and of this process."""
    wall, own = time.perf_counter(), time.process_time()
    call()
    return {"clock": 1e6 * (time.perf_counter() - wall) / points, "processor": 1e6 * (time.process_time() - own) / points}


def costs(args: Any) -> list[dict[str, Any]]:
    """What a point costs, on each engine that is installed."""
    import joblib

    from minidl import flow

    points = 500 if args.quick else 10_000
    stored = 1_000 if args.quick else 100_000
    grid = {"a": range(points)}
    rows: list[dict[str, Any]] = []

    def row(what: str, call: Callable[[], Any], count: int = points) -> None:
        rows.append({"a point": what, "points": count} | cost(call, count))

    row("one after the other", lambda: flow.sweep(at_once, grid, seeds=1, n_jobs=1))
    with joblib.parallel_config(backend="loky", n_jobs=args.threads):
        flow.sweep(at_once, {"a": range(100)}, seeds=1)
        row("processes, of 1 ms each", lambda: flow.sweep(a_millisecond, grid, seeds=1))
    if dask := dask_if_installed():
        with (
            dask.LocalCluster(n_workers=args.threads, threads_per_worker=1, dashboard_address=None) as cluster,
            dask.Client(cluster),
            joblib.parallel_config(backend="dask"),
        ):
            row("Dask, of 1 ms each", lambda: flow.sweep(a_millisecond, grid, seeds=1))
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        large = {"a": range(stored)}
        row("stored, one after the other", lambda: flow.sweep(at_once, large, seeds=1, store=store, n_jobs=1), stored)
        row("found in the store", lambda: flow.sweep(at_once, large, seeds=1, store=store, n_jobs=1), stored)
        rows[-1]["bytes"] = sum(path.stat().st_size for path in store.rglob("*.json")) / stored
    return rows


def dask_if_installed() -> Any:
    try:
        import distributed
    except ImportError:
        return None
    return distributed


def main() -> None:
    args = compare.options(__doc__, "sweeps")
    os.environ.pop("MINIDL_NUM_THREADS")  # a sweep gives each training its share of these cores
    trainings = throughput(args, 4 if args.quick else 24)
    compare.report(
        args,
        compare.table(trainings, {"contestant": "", "trainings a second": ".2f", "accuracy": ".3f"}),
        "microseconds",
        compare.table(costs(args), {"a point": "", "points": ",", "clock": ",.0f", "processor": ",.0f", "bytes": ",.0f"}),
    )


if __name__ == "__main__":
    main()
