"""`sweep`: points x seeds, each trained once, on whichever engine joblib has, and stored as soon as it is finished.

No point needs another's result, so there is nothing to schedule: joblib deals them out, to processes, threads, Dask or Ray.
Here is which are still to be trained, what a worker does with one, and what becomes of errors.
"""

import contextlib
import itertools
import os
import random
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from ..script import progress
from ..tensor import Tensor
from .result import RESERVED, Row, Sweep
from .store import Store, keys, readable
from .usual import Training

Point = Mapping[str, Any]


class Task(NamedTuple):
    """What a worker is given beside the function: what to train, and the number and the name by which it is known."""

    number: int
    point: Point
    seed: int
    key: str


class Outcome(NamedTuple):
    """What a worker gives back: what the function returned, or its error."""

    number: int
    result: dict[str, Any] | None
    error: str | None = None


def sweep(
    train: Callable[[dict[str, Any], int], Mapping[str, Any]],
    grid: Mapping[str, Iterable[Any]] | Iterable[Point],
    seeds: int | Iterable[int] = 3,
    *,
    store: Any = None,
    n_jobs: int | None = None,
) -> Sweep:
    """Train at every point of a grid from several seeds, on as many cores or machines as there are, and lose nothing.

    Parameters
    ----------
    train : function of (point, seed)
        Trains one network, and returns a dict of numbers, strings and arrays. `point` is a dict such as {"depth": 10}.
        Whatever is random must come from `seed`, and not from the global generator, which others use meanwhile. The usual
        one is a `flow.Training`.
    grid : mapping from name to values, or list of points
        Of a mapping, every combination is a point.
    seeds : int or iterable of int
        How many, or which.
    store : path, optional
        A folder in which each point is kept from the moment when it is finished. The same call then trains what is missing, and
        nothing else: after Ctrl-C, a power cut or a full disk, or with more seeds and points. A record belongs to its point and
        seed, to the version of minidl, and to the source of the function and of what it calls, but for installed packages.
        Without a store, results are in memory alone.
    n_jobs : int, optional
        How many points at a time; -1 for one on each core. 1 needs no joblib. Left out, it is what `joblib.parallel_config`
        says, or 1. That also chooses the engine: "loky" (processes, joblib's own choice), "threading" (where train is a
        `flow.Training`), "dask" or "ray".

    Returns
    -------
    Sweep
        A row for each point and seed. Where train failed, the row has the error, and the same call tries again.

    Raises
    ------
    TypeError, ValueError
        If the grid or the seeds are not as above, `flow.Training` does not know a name, or a value cannot be told from others
        in the store. Nothing has been trained then.
    OSError
        If the store cannot be read or written. What is stored is stored.

    Notes
    -----
    Each result is the same bits for any n_jobs, on every engine and in any order. The order is a random one: the time that is
    left can then be estimated, and two runs at once into one store share the work, since each looks, before it begins a point,
    whether the other has finished it. Where several points are trained at a time, the kernels in each get their part of the
    cores.

    Examples
    --------
    >>> from minidl import flow, nn
    >>> def model(width, activation=nn.Tanh):
    ...     return nn.Sequential(nn.Linear(64, width), activation(), nn.Linear(width, 10))
    >>> result = sweep(flow.Training(model, epochs=2), {"width": [4, 64]}, seeds=2)
    >>> result.pivot("width", "seed", "accuracy").values.round(1)
    array([[0.7, 0.8],
           [0.9, 0.9]])
    """
    points, seeds = _points(grid), seeds_of(seeds)
    _check(train, n_jobs)
    if isinstance(train, Training):
        train.check(points)
    pairs = list(itertools.product(points, seeds))
    records = [""] * len(pairs) if store is None else keys(train, pairs)
    tasks = [Task(i, point, seed, record) for i, ((point, seed), record) in enumerate(zip(pairs, records, strict=True))]
    opened = None if store is None else Store(store)
    outcomes = {} if opened is None else _stored(opened, tasks)
    left = [task for task in tasks if task.number not in outcomes]
    random.shuffle(left)
    if left and opened:
        opened.check_writable()
    failed = 0
    shown = {"total": len(tasks), "initial": len(outcomes), "desc": "sweep", "unit": "point", "disable": None}
    bar = progress(_trained(train, left, opened, n_jobs), **shown)
    try:
        for outcome in bar:
            outcomes[outcome.number] = outcome
            failed += outcome.error is not None
            if failed and hasattr(bar, "set_postfix"):
                bar.set_postfix(failed=failed)
    except BaseException as error:
        if opened:
            kept = sum(os.path.exists(opened.path(task.key)) for task in tasks)
            error.add_note(f"{kept} of {len(tasks)} points are in {store}; the same call goes on from there")
        raise
    return Sweep([Row(task.point, task.seed, *outcomes[task.number][1:]) for task in tasks])


def _points(grid: Any) -> list[dict[str, Any]]:
    """The points of a grid, each a dict of its own; NumPy's numbers are Python's, as they are in a file."""
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
                raise TypeError(f"sweep: {name!r} in the grid must be a list of values, such as [{values!r}], got {values!r}")
        grid = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if isinstance(grid, str) or not isinstance(grid, Iterable):
        raise TypeError(f'sweep: the grid is a mapping such as {{"depth": [10, 20]}}, or a list of points, got {grid!r}')
    points = list(grid)
    if not points:
        raise ValueError("sweep: there is no point in the grid")
    for point in points:
        if not isinstance(point, Mapping) or not point or not all(isinstance(name, str) for name in point):
            raise TypeError(f'sweep: a point is a dict such as {{"depth": 10}}, got {point!r}')
        if point.keys() != points[0].keys():
            raise ValueError(f"sweep: all points must have the same names, got {readable(points[0])} and {readable(point)}")
        if taken := RESERVED & point.keys():
            raise ValueError(f"sweep: {min(taken)!r} is a column of the table, so it cannot be a name in the grid")
    return [{name: x.item() if isinstance(x, np.generic) else x for name, x in point.items()} for point in points]


def seeds_of(seeds: Any, caller: str = "sweep") -> list[int]:
    """Which seeds are meant, in an argument that says how many or which."""
    count = isinstance(seeds, (int, np.integer)) and not isinstance(seeds, bool)
    found = list(range(seeds)) if count else list(seeds) if isinstance(seeds, Iterable) else []
    if not found or not all(isinstance(seed, (int, np.integer)) and 0 <= seed < 2**64 for seed in found):
        raise ValueError(
            f"{caller}: seeds must be a positive integer (how many), or non-negative integers (which), got {seeds!r}"
        )
    if len(set(found)) < len(found):
        raise ValueError(f"{caller}: a seed is there twice in {found}")
    return [int(seed) for seed in found]


def _check(train: Any, n_jobs: Any) -> None:
    if not callable(train):
        raise TypeError(f"sweep: train must be a function of (point, seed), such as a flow.Training, got {train!r}")
    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, (int, np.integer)) or n_jobs == 0):
        raise ValueError(
            f"sweep: n_jobs must be how many points at a time, such as 4, or -1 for one on each core, got {n_jobs!r}"
        )


def _stored(store: Store, tasks: Sequence[Task]) -> dict[int, Outcome]:
    """What is finished already. A damaged record is as if it were not there, but that is said."""
    found, damaged = {}, []
    for task in tasks:
        try:
            result = store.read(task.key)
        except ValueError as error:
            damaged.append(f"{store.path(task.key)} ({error})")
        else:
            if result is not None:
                found[task.number] = Outcome(task.number, result)
    if damaged:
        warnings.warn(f"sweep: trained again, for the record is damaged: {', '.join(damaged[:3])}"
                      f"{f' and {len(damaged) - 3} more' * (len(damaged) > 3)}", stacklevel=3)  # fmt: skip
    return found


def _trained(train: Callable[..., Any], tasks: list[Task], store: Store | None, n_jobs: int | None) -> Iterator[Outcome]:
    """The outcomes, as they come. Where a worker is lost, this goes on; the third in a row for nothing is an error."""
    left, lost = {task.number: task for task in tasks}, 0
    while left:
        before = len(left)
        try:
            for outcome in _dealt_out(train, list(left.values()), store, n_jobs):
                task = left.pop(outcome.number)
                if store and outcome.result is not None and not os.path.exists(store.path(task.key)):
                    store.write(task.key, task.point, task.seed, outcome.result)  # the worker does not see this disk
                yield outcome
        except (KeyboardInterrupt, GeneratorExit, OSError, ImportError):
            raise
        except Exception as error:  # the engine's: those of the function are outcomes
            for number, outcome in (_stored(store, list(left.values())) if store else {}).items():
                del left[number]  # finished, but the engine had no time to say so
                yield outcome
            lost = lost + 1 if len(left) == before else 0
            if lost == 3:
                raise
            left = dict(reversed(left.items()))  # so that a point that kills its worker does not stand before all others again
            warnings.warn(f"sweep: went on after {type(error).__name__}: {error}", stacklevel=2)


def _dealt_out(train: Callable[..., Any], tasks: list[Task], store: Store | None, n_jobs: int | None) -> Iterator[Outcome]:
    if n_jobs == 1 or (n_jobs is None and "joblib" not in sys.modules):  # nobody can have chosen an engine
        yield from (_outcome(train, task, store) for task in tasks)
        return
    try:
        import joblib
    except ImportError as error:
        raise ImportError(f'n_jobs={n_jobs} needs joblib: pip install joblib, or pip install -e ".[sweeps]"') from error
    cores = kernels.get_num_threads()
    threads = max(1, cores // joblib.effective_n_jobs(n_jobs))
    prefer = "threads" if isinstance(train, Training) and kernels.backend == "compiled" else None
    backend, _ = joblib.parallel.get_active_backend(prefer=prefer)
    # With a backend that gives nothing back before the end, Ray's, there is no progress to see, but all is stored at once.
    return_as = "generator_unordered" if backend.supports_return_generator else "list"
    engine = joblib.Parallel(n_jobs, prefer=prefer, return_as=return_as)
    try:
        yield from engine(joblib.delayed(_outcome)(train, task, store, threads) for task in tasks)
    finally:
        kernels.set_num_threads(cores)


def _outcome(train: Callable[..., Any], task: Task, store: Store | None, threads: int | None = None) -> Outcome:
    """What a worker does."""
    if threads:
        kernels.set_num_threads(threads)
    with contextlib.suppress(ValueError):  # damaged: to be written anew
        if store and (result := store.read(task.key)) is not None:  # by another run, or before this worker's task was repeated
            return Outcome(task.number, result)
    try:
        result = _checked(train(dict(task.point), task.seed), task.point)
    except Exception as error:
        return Outcome(task.number, None, _said(error))
    if store:
        with contextlib.suppress(FileNotFoundError):  # on a machine that does not see this disk: `_trained` does it
            store.write(task.key, task.point, task.seed, result)
    return Outcome(task.number, result)


def _checked(result: Any, point: Point) -> dict[str, Any]:
    """What a function returned, as it is stored."""
    if not isinstance(result, Mapping) or not all(isinstance(name, str) for name in result):
        raise TypeError(
            f'train must return a dict of numbers and arrays such as {{"loss": 0.5}}, and returned {result!r}'[:300]
        )
    if taken := (RESERVED | point.keys()) & result.keys():
        raise ValueError(f"train returned {min(taken)!r}, which is another column of the table: rename it")
    return {name: _value(name, value) for name, value in result.items()}


def _value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, str) or type(value) in (bool, int, float):
        return value
    array = value.data if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8 or np.ma.isMaskedArray(value):
        raise TypeError(
            f"train returned {name!r}, which is neither a number nor a string nor an array of numbers: {value!r}"[:300]
        )
    return array if array.ndim else array.item()


def _said(error: Exception) -> str:
    """An error in a line, with the place where it was raised."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({os.path.basename(place.filename)}, line {place.lineno})"
