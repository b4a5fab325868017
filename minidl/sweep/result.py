"""What a sweep found: a row for each point and seed, and tables, curves and maps of them.

Further tables are what pandas and polars are for, which take `table()` as it is; the drawing is in `plot.py`.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .identity import identity
from .store import plain, readable

RESERVED = {"seed", "error"}  # columns of the table beside those of grid and results


class Row(NamedTuple):
    """A point, a seed, and what the training returned; or its error, and no result."""

    point: Mapping[str, Any]
    seed: int
    result: Mapping[str, Any] | None
    error: str | None


class Pivot(NamedTuple):
    """`values[i, j]` belongs to `rows[i]` and `columns[j]`; NaN where nothing does."""

    rows: list[Any]
    columns: list[Any]
    values: np.ndarray


class Sweep:
    """What a sweep found, in the order of the grid. `print` shows the best point, and how far chance goes.

    Attributes
    ----------
    rows : list of Row

    Examples
    --------
    >>> result = Sweep([Row({"lr": lr}, seed, {"loss": lr + seed / 100}, None) for lr in (0.1, 0.2) for seed in (0, 1)])
    >>> print(result)
    2 points x 2 seeds: 4 finished, 0 failed
    least loss: 0.105 +- 0.0071 at lr=0.1; within chance of it: 0 of 1 others
    >>> result.table()[1]
    {'lr': 0.1, 'seed': 1, 'loss': 0.11, 'error': None}
    """

    def __init__(self, rows: list[Row]):
        self.rows = rows
        points = _told_apart([row.point for row in rows])
        self._known = [point | {"seed": row.seed} for point, row in zip(points, rows, strict=True)]  # what a table says of each

    @property
    def failed(self) -> list[Row]:
        """The rows that have an error."""
        return [row for row in self.rows if row.error is not None]

    def table(self) -> list[dict[str, Any]]:
        """A dict for each row: the point, "seed", what the training returned, and "error"; None for what a row does not have.

        `pandas.DataFrame(sweep.table())` and `polars.DataFrame(sweep.table())` take it, and write CSV, JSON and parquet. So
        arrays are lists, functions and classes are their names, and other objects in the grid are as they are printed; where
        two that differ are printed alike, as lambdas are, the second is "<lambda> (2)".
        """
        names = dict.fromkeys(name for row in self.rows for name in row.result or ())
        return [
            known | {name: _listed((row.result or {}).get(name)) for name in names} | {"error": row.error}
            for row, known in zip(self.rows, self._known, strict=True)
        ]

    def pivot(self, rows: str, columns: str, value: str) -> Pivot:
        """The mean of a value, over seeds and all that is not named here, for each pair of what `rows` and `columns` are.

        A pair that has no value is NaN; a row or column that has none at all is left out.

        Parameters
        ----------
        rows, columns : str
            Names in the grid, or "seed".
        value : str
            The name of a number that the training returns.
        """
        found = self._grouped([rows, columns], value)
        labels = [_in_order(pair[i] for pair in found) for i in (0, 1)]
        values = np.array([[_mean(found.get((row, column), [])) for column in labels[1]] for row in labels[0]])
        return Pivot(labels[0], labels[1], values)

    def plot(self, x: str, y: str, value: str, path: Any = None) -> Any:
        """Draw a map of the means, as of `pivot(y, x, value)`. See `plot.sweep_map`."""
        from .. import plot

        return plot.sweep_map(self.pivot(y, x, value), x, y, value, path)

    def curve(self, x: str, value: str, by: str | None = None, path: Any = None) -> Any:
        """Draw a value over what `x` is, a curve for each value of `by`: the mean, and how far seeds are spread.

        See `plot.sweep_curves`.
        """
        from .. import plot

        return plot.sweep_curves(self._curves(x, value, by), x, value, path)

    def svg(self) -> str:
        """Draw curves of every number as SVG, in milliseconds and without matplotlib; a notebook shows the same.

        Along the axis is the name in the grid that has most values, numbers if there are any; curves are for the values of
        another name, that with the fewest. For other choices see `plot` and `curve`.

        Examples
        --------
        >>> result = Sweep([Row({"lr": lr}, 0, {"loss": lr / 2}, None) for lr in (0.1, 0.2)])
        >>> "<title>loss, lr 0.2: 0.1</title>" in result.svg()  # of a dot
        True
        """
        from .. import svg

        return svg.sweep(self).svg()

    def _repr_html_(self) -> str:
        from .. import svg

        return svg.sweep(self).html(below=svg.preformatted(self))

    def _curves(self, x: str, value: str, by: str | None) -> dict[str, dict[Any, list[float]]]:
        curves: dict[str, dict[Any, list[float]]] = {}
        for (*group, at), values in self._grouped([name for name in (by, x) if name], value).items():
            curves.setdefault(f"{by}={group[0]}" if group else value, {})[at] = values
        return curves

    def _grouped(self, names: list[str], value: str) -> dict[tuple, list[float]]:
        """The values of all rows, by what these names are in them."""
        found: dict[tuple, list[float]] = {}
        for row, known in zip(self.rows, self._known, strict=True):
            for name in names:
                if name not in known:
                    raise ValueError(f"the sweep has no {name!r}; there are {', '.join(known)}")
            if (number := (row.result or {}).get(value)) is not None:
                if not isinstance(number, (int, float)):
                    raise ValueError(f"{value!r} must be the name of a number, and is a {type(number).__name__}")
                found.setdefault(tuple(known[name] for name in names), []).append(number)
        if not found:
            results = dict.fromkeys(name for row in self.rows for name in row.result or ())
            raise ValueError(f"no row has a {value!r}; there are {', '.join(results) or 'no results at all'}")
        return found

    def __str__(self):
        names, failed = list(self.rows[0].point), self.failed
        seeds = len({row.seed for row in self.rows})
        lines = [
            f"{len(self.rows) // seeds} points x {seeds} seeds: {len(self.rows) - len(failed)} finished, {len(failed)} failed"
        ]
        if failed:
            lines.append(f"the first that failed: {_spelt(failed[0].point)}, seed {failed[0].seed}: {failed[0].error}")
        return "\n".join(lines + [self._best(names, value) for value in self._numbers()])

    def _numbers(self) -> list[str]:
        """The names of what the training returns and what is a number in every row that has it."""
        values: dict[str, list[Any]] = {}
        for row in self.rows:
            for name, value in (row.result or {}).items():
                values.setdefault(name, []).extend([] if value is None else [value])
        return [name for name, found in values.items() if found and all(isinstance(value, (int, float)) for value in found)]

    def _best(self, names: list[str], value: str) -> str:
        sign, extreme = (-1, "least") if "loss" in value or "error" in value else (1, "largest")
        found = {point: np.array(values, float) for point, values in self._grouped(names, value).items()}
        with np.errstate(over="ignore", invalid="ignore"):
            means = {point: float(values.mean()) for point, values in found.items() if np.isfinite(values.mean())}
            deviations = {point: float(found[point].std(ddof=1)) for point in means if len(found[point]) > 1}
        if not means:
            return f"{value}: not finite anywhere"
        best = max(means, key=lambda point: sign * means[point])
        text = f"{extreme} {value}: {means[best]:.3g}"
        where = f" at {_spelt(dict(zip(names, best, strict=True)))}"
        if len(deviations) < len(means):
            return f"{text}{where}; how far chance goes, only more seeds can say"
        errors = {point: deviations[point] / math.sqrt(len(found[point])) for point in means}
        near = sum(abs(means[best] - means[p]) <= 2 * math.hypot(errors[best], errors[p]) for p in means) - 1
        return f"{text} +- {deviations[best]:.2g}{where}; within chance of it: {near} of {len(found) - 1} others"


def _told_apart(points: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """These points as people read them. Of values that are read alike and differ, all but the first have a number."""
    alike: dict[tuple[str, Any], tuple[Any, list[Any]]] = {}  # by name and what is read: the first, and what all of them are
    labels: dict[tuple[str, int], Any] = {}  # by name and a value's id

    def label(name: str, value: Any) -> Any:
        if (name, id(value)) not in labels:
            text = plain(value)
            first, kinds = alike.setdefault((name, "nan" if text != text else text), (text, []))  # 1 == 1.0 == True
            kind = _kind(value)
            if kind not in kinds:
                kinds.append(kind)
            place = kinds.index(kind)
            labels[name, id(value)] = f"{text} ({place + 1})" if place else first
        return labels[name, id(value)]

    return [{name: label(name, value) for name, value in point.items()} for point in points]


def _kind(value: Any) -> Any:
    try:
        return identity(value)
    except (TypeError, ValueError):  # it cannot be told: then it is like itself alone
        return id(value)


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _in_order(values: Iterable[Any]) -> list[Any]:
    """Each once: numbers by size, others as they come."""
    found = list(dict.fromkeys(values))
    return sorted(found) if all(isinstance(value, (int, float)) for value in found) else found


def _spelt(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in readable(point).items())
