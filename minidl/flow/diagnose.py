"""`diagnose`: before training, which layer will fail, why, and the line that fixes it.

It judges what `measure` found. Every remedy that it proposes has been tried on a copy of the model, and the fault was gone;
what a remedy is stands in `remedy.py`.
"""

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import init, nn, theory
from ..nn.norm import BatchNorm, LayerNorm
from ..tensor import Tensor
from .measure import Call, are_labels, run
from .quantities import rows_of, units_of
from .remedy import Remedy, normalize, pattern_of, redraw
from .report import FlowReport, LayerRecord

DEPTH = 6.0  # e^6 is by how much the square of the gradient may change from end to end
CHANCE = 1e-6
LOCAL = ["clones", "dead", "saturated"]  # what is wrong with single layers, in the order in which it is reported
NORMALIZATIONS = (BatchNorm, LayerNorm)
HIDDEN = {"vanishing": ["loss"], "exploding": ["loss"], "loss": ["mismatch"], "mismatch": []}  # what each of these may hide


@dataclass
class Finding:
    """One fault.

    Attributes
    ----------
    symptom : str
        "clones", "dead", "saturated", "vanishing", "exploding", "loss" or "mismatch".
    layers : tuple of str
        The names of the layers that show it.
    evidence : str
        What was measured, and what was expected.
    remedy : str
        The code that fixes it, where `model` is the model and `nn` and `init` are minidl's. Empty if nothing that was tried
        does.
    """

    symptom: str
    layers: tuple[str, ...]
    evidence: str
    remedy: str = ""
    candidates: Sequence[Remedy] = field(default=(), repr=False, compare=False)

    def __str__(self):
        change = f"write: {self.remedy}" if self.remedy else "Nothing that was tried fixes it: other initializers, batch norm."
        return f"{self.symptom}: {self.evidence}\n    {change}"


class Diagnosis(list[Finding]):
    """What `diagnose` found: empty, and so false, for a healthy network. Print it.

    Attributes
    ----------
    report : FlowReport
        What was measured.
    remarks : list of str
        What is worth knowing but not a fault.
    """

    def __init__(self, findings: list[Finding], remarks: list[str], report: FlowReport):
        super().__init__(findings)
        self.remarks, self.report = remarks, report

    def __str__(self):
        return "\n".join([*(map(str, self) if self else ["No fault found."]), *(f"remark: {line}" for line in self.remarks)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from .. import svg

        return svg.report(self.report).html(above=svg.preformatted(self))


def diagnose(model: nn.Module, x: Any, y: Any, loss: Callable[..., Any] | None = None) -> Diagnosis:
    """What will go wrong in training: the layer, the symptom, the evidence, and the line of code that fixes it.

    Below, "from end to end" is from the first layer with weights to the second-to-last one: the last one's scale is a
    choice of its own. (Those in the branch of an `nn.Residual`, which signals pass by, are left out; and where a
    normalization follows, its output counts.) Of images, units are channels. And s is the fraction of inputs from
    N(0, 1) for which an activation is flat: 1/2 for ReLU.

    clones
        Units of a layer, but the last, have the same weights and bias, and the same gradient too; or all its units
        have the same weights, and another layer takes their outputs. Why: random weights are never equal; units with
        equal weights and gradients stay equal for ever; and a layer of equal units passes on one number.
    dead
        Units whose slope is 0 for every input: all of them, or more than chance allows. Why: a unit with random
        weights and no bias is off for one input with probability s (slope exactly 0), so for all inputs with at most
        that; of n units, Binomial(n, s) are, and this many or more with a probability under 1e-6.
    saturated
        The fraction of outputs where the slope is under 1 % of the largest is above (1 + s) / 2, and more than chance
        allows, as above. Why: of the outputs that could pass a gradient, most do not; the typical unit does not
        respond.
    vanishing, exploding
        From end to end, the gradient's norm squared changes by more than e^6, or numbers overflow. Why: that square
        goes as exp(-depth / xi), xi the depth scale, and networks train to a depth of about 6 xi (Schoenholz et al.
        2017, figure 5). With a normalization, growth is not a fault: the larger gradient makes weights grow, and their
        steps shrink (Arora, Li and Lyu, "Theoretical analysis of auto rate-tuning by batch normalization", ICLR 2019).
        What average pooling divides the square by is left out: it comes back where filters sum over all places.
    mismatch
        Widths rise or fall by more than e^3; the mean square of outputs or of gradients changes by more than e^3 from
        end to end, and so does their ratio; and an initializer between fan_in and fan_out puts both below e^3. Why: an
        initializer keeps one of them and leaves the ratio of the widths to the other, which alone is half of the e^6
        above. Where none fixes it, as with tanh, nothing is reported.

    loss
        With cross-entropy, the default for class numbers, the first loss is above ln C + 3, C the number of classes.
        Why: ln C is the loss of equal scores. At ln C + 3 the right class gets, in the geometric mean, e^3 times less
        than a blind guess gives it, and all training must first unlearn that. Scores of variance v that know nothing
        of the labels have a loss of at most ln C + v / 2, by Jensen's inequality: so theirs is above 6, where the
        usual initializers give at most 2 for inputs of size 1. With the mean squared error, the default for other
        targets, the first loss is more than e^3 times the mean square of the inputs, which is the size that those
        initializers give to outputs; and it is more than e^3 times the loss of outputs 0, or e^6 times that of the
        best constant guess, the mean of y. A loss of your own is not judged.

    What comes first in the order clones, overflow, dead, saturated, vanishing or exploding, loss, mismatch, is the
    only one reported, for the rest may follow from it: fix it and diagnose again. A last layer that is initialized at
    zero is not a fault; a remark says so.

    Parameters
    ----------
    model, x, y, loss
        As in `measure`. The model is left as it was.

    Returns
    -------
    Diagnosis
        A list of `Finding`.

    Raises
    ------
    ValueError
        If there is neither y nor loss; or as in `measure`.

    Examples
    --------
    >>> from minidl import data
    >>> x, y, *_ = data.digits()
    >>> model = nn.Sequential(nn.Linear(64, 32, weight_init=0.1), nn.Tanh(), nn.Linear(32, 10))
    >>> print(diagnose(model, x[:100], y[:100])[0].remedy)
    model.initialize(rng=0, rules={"0.weight": "lecun_normal"})
    >>> model.initialize(rng=0, rules={"0.weight": "lecun_normal"}) is model
    True
    >>> diagnose(model, x[:100], y[:100])
    No fault found.
    """
    if y is None and loss is None:
        raise ValueError("diagnose needs the targets y, or a loss: without a gradient half of the faults cannot be seen")
    network = _Network(model, x, y, loss)
    findings = _faults(network)
    for finding in findings:
        fixing = (remedy.line for remedy in finding.candidates if _fixes(remedy, finding, model, x, y, loss))
        finding.remedy = next(fixing, "")
    return Diagnosis([f for f in findings if f.remedy or f.symptom != "mismatch"], _remarks(network), network.report)


def _fixes(remedy: Remedy, finding: Finding, model: nn.Module, x: Any, y: Any, loss: Any) -> bool:
    trial = copy.deepcopy(model)
    try:
        remedy.change(trial)
        left = _faults(_Network(trial, x, y, loss))
    except Exception:  # what a model does not run with, whatever the reason, is not a remedy
        return False
    if finding.symptom not in LOCAL:
        return all(other.symptom in HIDDEN[finding.symptom] for other in left)
    later = [*LOCAL[LOCAL.index(finding.symptom) + 1 :], *HIDDEN]
    return all(
        other.symptom in later or (other.symptom == finding.symptom and not set(other.layers) & set(finding.layers))
        for other in left
    )


class _Network:
    """The calls of a measured model, and how they are connected. Calls are meant by their places."""

    def __init__(self, model: nn.Module, x: Any, y: Any, loss: Any):
        self.model, self.x, self.y = model, *(np.asarray(a.data if isinstance(a, Tensor) else a) for a in (x, y))
        self.default_loss = loss is None
        self.report, self.calls, self.output_shape = run(model, x, y, loss)
        self.records = list(self.report)
        names = list(model.named_modules())
        self._names = {name for name, _ in names}
        self._first_names = {id(module): name for name, module in names[::-1]}  # what initialize goes by
        self.weighted = [i for i, record in enumerate(self.records) if record.distinct_units is not None]
        self.hidden = self.weighted[:-1]
        branches = {
            id(layer) for module in model.modules() if isinstance(module, nn.Residual) for layer in module.branch.modules()
        }
        self.main = [i for i in self.hidden if id(self.calls[i].module) not in branches]  # signals pass branches by
        self.activations = [i for i, call in enumerate(self.calls) if isinstance(call.module, nn.Elementwise)]

    def name(self, i: int) -> str:
        name = self.records[i].name
        return name if name in self._names else self._first_names[id(self.calls[i].module)]  # and not "act#2"

    def names(self, places: Sequence[int]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.name(i) for i in places))

    def titles(self, places: Sequence[int]) -> str:
        """Linear '0'; or Linear '0', '2', '4'; or Linear '0', '2', ..., '18'."""
        names, kinds = [repr(name) for name in self.names(places)], {self.records[i].kind for i in places}
        kind = kinds.pop() if len(kinds) == 1 else "layers"
        kind = kind if kind.isidentifier() else repr(kind)
        return f"{kind} {', '.join(names if len(names) < 5 else [*names[:2], '...', names[-1]])}"

    def after(self, i: int) -> Iterator[int]:
        """The calls that follow on this one, each taking the output of the one before, up to one with weights."""
        while (following := next((k for k, call in enumerate(self.calls) if call.source == i), None)) is not None:
            yield following
            if following in self.weighted:
                return
            i = following

    def before(self, i: int) -> Iterator[int]:
        """What an activation's input comes through, back to and with a layer with weights."""
        while (source := self.calls[i].source) is not None and source >= 0 and source not in self.activations:
            yield source
            if source in self.weighted:
                return
            i = source

    def activation(self, i: int) -> nn.Elementwise | None:
        """The one that the output of this call goes into."""
        return next((self.calls[k].module for k in self.after(i) if k in self.activations), None)

    def main_outputs(self) -> list[int]:
        """The layers of `main`; where a normalization takes the output, and so its scale away, that."""
        following = ((i, next(self.after(i), i)) for i in self.main)
        return [k if isinstance(self.calls[k].module, NORMALIZATIONS) else i for i, k in following]

    def gradient(self, i: int) -> float:
        """The square of the norm of the gradient for what this call outputs."""
        mean, std = self.records[i].grad_mean or 0.0, self.records[i].grad_std or 0.0
        return math.prod(self.calls[i].shape) * (mean**2 + std**2)

    def shares(self, i: int) -> float:
        """By how much the average pooling that follows on this call divides the square: a mean of k sends back k k-ths.

        It is no fault, for a filter's gradient is a sum over all places, so there the shares of a mean are one again.
        """
        pools = [k for k in self.after(i) if isinstance(self.calls[k].module, (nn.AvgPool2d, nn.AdaptiveAvgPool2d))]
        squares = [(self.gradient(k), self.gradient(self.calls[k].source or 0)) for k in pools]
        return math.prod(square / shared for square, shared in squares if square and shared)

    def rule(self, places: Sequence[int], weights: Any, last_bias: Any = None) -> Remedy:
        """Draw these layers' weights by an initializer, and set the rest to its usual value, or the last bias to this."""
        rules: dict[tuple[str, str], Any] = {}  # (layer, attribute) -> its initializer
        for i in places:
            module, name = self.calls[i].module, self._first_names[id(self.calls[i].module)]
            if isinstance(getattr(module, "weight", None), nn.Parameter):
                rules[name, "weight"] = weights if i in self.weighted else "ones"
            bias = getattr(module, "bias", None)
            if isinstance(bias, nn.Parameter):
                if last_bias is not None and i == self.weighted[-1]:
                    rules[name, "bias"] = last_bias
                elif bias.data.any():
                    rules[name, "bias"] = "zeros"
        kind = self._class_of(places) if last_bias is None else ""
        return redraw(
            {
                f"{kind}.{attribute}" if kind else pattern_of(self.model, f"{name}.{attribute}".lstrip(".")): initializer
                for (name, attribute), initializer in rules.items()
            }
        )

    def rules(self, places: Sequence[int], initializers: Sequence[Any]) -> list[Remedy]:
        return [self.rule(places, weights) for weights in initializers]

    def _class_of(self, places: Sequence[int]) -> str:
        """The class of these layers, if one rule for it is shorter and does the same: healthy ones take no harm."""
        kinds = {self.records[i].kind for i in self.hidden}
        if len(places) < 4 or len(kinds) > 1 or not set(places) <= set(self.weighted):
            return ""
        (kind,) = kinds
        return kind if kind.isidentifier() and kind not in {name.partition(".")[0] for name in self._names} else ""

    def normalized(self, places: Sequence[int]) -> list[Remedy]:
        """Put a batch norm before these activations."""
        norms = {}
        for i in places:
            if (units := self.records[i].units) is not None:
                norms[self.name(i)] = ("BatchNorm2d" if len(self.calls[i].shape) == 4 else "BatchNorm1d", units)
        remedy = normalize(self.model, norms)
        return [] if remedy is None else [remedy]


def _initializers(activation: nn.Elementwise | None) -> list[Any]:
    """Initializers for the weights before an activation, the one nearest to its critical sigma_w^2 first."""
    scale = 1.0 if activation is None else _critical(activation)
    named = ["lecun_normal", "he_normal"]
    return [*(named if scale < math.sqrt(2) else named[::-1]), init.VarianceScaling(_rounded(scale))]


@theory.cached_by_layer
def _critical(activation: nn.Elementwise) -> float:
    """The critical sigma_w^2; where there is none, as for GELU, the one that keeps the second moment 1."""
    try:
        return theory.critical_sigma_w(activation) ** 2
    except ValueError:
        return 1 / theory.variance_map(activation, 1.0, 1.0)


@theory.cached_by_layer
def _flat(activation: nn.Elementwise) -> tuple[float, float]:
    """For inputs from N(0, 1), how often the slope is 0, and how often under 1 % of the largest."""
    z = np.linspace(-8.5, 8.5, 17001)  # close together, for what is counted jumps
    weights = np.exp(-z * z / 2)
    weights /= weights.sum()
    slopes = np.abs(theory.values_and_slopes(activation, z)[1])
    return float(weights @ (slopes == 0)), float(weights @ (slopes < 0.01 * (1 - 1e-6) * slopes.max()))


def _tail(n: int, p: float, k: int) -> float:
    """P(Binomial(n, p) >= k)."""
    return sum(math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))


def _faults(network: _Network) -> list[Finding]:
    local = _clones(network) or _overflow(network) or list(_dead(network)) or _saturated(network)
    return local or _depth(network) or _first_loss(network) or _funnel(network)


def _remarks(network: _Network) -> list[str]:
    if not network.hidden or network.calls[network.weighted[-1]].module.weight.data.any():
        return []
    return [
        f"{network.titles(network.weighted[-1:])} is initialized at zero. In the last layer that is not a fault, for its units "
        "get different gradients; but at first no gradient passes through it, so what happens to one before it could not be "
        "judged."
    ]


def _clones(network: _Network) -> list[Finding]:
    stay = {}
    for i in network.hidden:
        record = network.records[i]
        if record.units is not None and record.distinct_units != record.units:
            feeds = any(k in network.weighted for k in network.after(i))
            groups = len(list(units_of(network.calls[i].module)))
            if _stay_clones(network.calls[i]) or (record.distinct_units == groups and feeds):
                stay[i] = _stay_clones(network.calls[i])
    if not stay:
        return []
    places = list(stay)
    record, module = network.records[places[0]], network.calls[places[0]].module
    evidence = (
        f"{network.titles(places)}: {record.distinct_units} distinct of {record.units} units, where random weights give "
        f"{record.units}. "
    )
    if not module.weight.data.any():
        evidence += "All weights are 0: the output is the same for every input, and no gradient passes back. "
    if all(stay.values()):
        evidence += "Equal units get equal gradients too, so they stay clones however long they are trained."
    else:
        number = "one number" + " for each group" * (getattr(module, "groups", 1) > 1)
        evidence += f"The next layer gives them different gradients, but until they have moved they pass on {number}."
    candidates = network.rules(places, _initializers(network.activation(places[0])))
    return [Finding("clones", network.names(places), evidence, candidates=candidates)]


def _stay_clones(call: Call) -> bool:
    """Whether there are units with the same weights and bias that all have the same gradient."""
    if call.weight_grad is None:
        return False
    room = 1e-5 * float(np.abs(call.weight_grad).max())  # for rounding
    for (weight, bias), gradient in zip(units_of(call.module), call.module.unit_weights(call.weight_grad), strict=True):
        alike: dict[bytes, list[int]] = {}
        for unit, row in enumerate(rows_of(weight, bias)):
            alike.setdefault(row.tobytes(), []).append(unit)
        if any(len(same) > 1 and np.abs(gradient[same] - gradient[same[0]]).max() <= room for same in alike.values()):
            return True
    return False


def _dead(network: _Network) -> Iterator[Finding]:
    for i in network.activations:
        record, module = network.records[i], network.calls[i].module
        flat = _flat(module)[0]
        if not flat or not record.dead or record.units is None:  # without a flat part it is saturated, never dead
            continue
        dead = round(record.dead * record.units)
        if dead < record.units and _tail(record.units, flat, dead) > CHANCE:
            continue
        evidence = (
            f"{network.titles([i])}: {dead} of {record.units} units have slope 0 for every input of this batch, so nothing "
            f"before them learns through them; of units with random weights and no bias at most {flat:.0%} are expected. "
        )
        yield Finding("dead", network.names([i]), evidence + _what_comes_in(network, i), candidates=_local(network, [i]))
        if dead == record.units:  # what follows gets the same for every input
            return


def _saturated(network: _Network) -> list[Finding]:
    found = []
    for i in network.activations:
        record = network.records[i]
        if record.saturated and record.units is not None:
            flat, outputs = _flat(network.calls[i].module)[1], round(record.saturated * record.units)
            if record.saturated > (1 + flat) / 2 and _tail(record.units, flat, outputs) <= CHANCE:
                found.append(i)
    if not found:
        return []
    worst = max(found, key=lambda i: network.records[i].saturated or 0.0)
    evidence = (
        f"{network.titles(found)}: in '{network.name(worst)}' {network.records[worst].saturated:.0%} of the outputs lie where "
        f"the slope is under 1 % of the largest; inputs from N(0, 1) give {_flat(network.calls[worst].module)[1]:.1%}. "
        f"{_what_comes_in(network, worst)}"
    )
    return [Finding("saturated", network.names(found), evidence, candidates=_local(network, found))]


def _what_comes_in(network: _Network, i: int) -> str:
    source = next(network.before(i), None)
    if source is None:
        return "It is the network's input that comes in."
    record = network.records[source]
    expected = "" if record.predicted_std is None else f" (theory, with these initializers: {record.predicted_std:.3g})"
    return f"What comes in has mean {record.out_mean:.3g} and standard deviation {record.out_std:.3g}{expected}."


def _local(network: _Network, activations: Sequence[int]) -> list[Remedy]:
    """Remedies for what comes into these activations."""
    feeding = [k for i in activations for k in network.before(i)]
    initializers = _initializers(network.calls[activations[0]].module) if feeding else []
    return [*network.rules(feeding, initializers), *network.normalized(activations)]


def _overflow(network: _Network) -> list[Finding]:
    outputs = [i for i, r in enumerate(network.records) if not math.isfinite(r.out_mean + r.out_std)]
    gradients = [i for i, r in enumerate(network.records) if not math.isfinite((r.grad_mean or 0.0) + (r.grad_std or 0.0))]
    if not (outputs or gradients):
        return []
    first, what = (outputs[0], "output") if outputs else (gradients[-1], "gradient")
    weight = getattr(network.calls[first].module, "weight", None)
    broken = outputs and isinstance(weight, nn.Parameter) and not np.isfinite(weight.data).all()
    why = "its weights are" if broken else "the numbers are too large for their dtype"
    evidence = f"{network.titles([first])}: its {what} is infinite or NaN, for {why}."
    initializers = _initializers(network.activation(network.weighted[0])) if network.weighted else []
    candidates = network.rules(network.weighted, initializers)
    return [Finding("exploding", network.names([first]), evidence, candidates=candidates)]


def _depth(network: _Network) -> list[Finding]:
    hidden, outputs = network.main, network.main_outputs()
    records = [network.records[i] for i in outputs]
    norms = [network.gradient(i) for i in outputs]
    if len(norms) < 2 or not norms[-1]:  # a last layer that is zero: there is a remark
        return []
    shares = map(network.shares, outputs)
    steps = [_log(n * a / b) if b else 0.0 for (a, b), n in zip(itertools.pairwise(norms), shares, strict=False)]
    change = sum(steps)
    if abs(change) <= DEPTH or (change > 0 and any(isinstance(call.module, NORMALIZATIONS) for call in network.calls)):
        return []
    first, last = records[0], records[-1]
    expected = ""
    if first.predicted_grad_ratio and last.predicted_grad_ratio:
        ratio = first.predicted_grad_ratio / last.predicted_grad_ratio
        sizes = [math.prod(network.calls[i].shape) for i in (outputs[0], outputs[-1])]
        predicted = 2 * math.log(ratio) + math.log(sizes[0] / sizes[1])
        expected = f" (theory, with these initializers: {_times(predicted)})"
    evidence = (
        f"{network.titles(hidden)}: on the way back from '{network.name(hidden[-1])}' to '{network.name(hidden[0])}' the "
        f"gradient's norm changes {_times(change)}{expected}. So its depth scale is {len(steps) / abs(change):.2g} layers; a "
        f"network trains to a depth of about 6 times that, and this one has {len(steps)}."
    )
    worst = max(range(len(steps)), key=lambda k: abs(steps[k]))
    initializers = _initializers(network.activation(hidden[0]))
    candidates = network.rules(hidden, initializers[:2])
    candidates += network.normalized(network.activations) if network.activations else []
    candidates += network.rules(hidden, initializers[2:])
    places = hidden
    if len(steps) > 2 and abs(steps[worst]) > abs(change) / 2:  # one layer's doing
        places = [hidden[worst + 1]]
        evidence = f"{network.titles(places)}: it alone changes the gradient's norm {_times(steps[worst])}. {evidence}"
        candidates = [*network.rules(places, initializers), *candidates]
    return [Finding("exploding" if change > 0 else "vanishing", network.names(places), evidence, candidates=candidates)]


def _first_loss(network: _Network) -> list[Finding]:
    loss, size = network.report.loss, float(np.square(network.x, dtype=np.float64).mean())
    if loss is None or not network.default_loss or not network.weighted or network.output_shape is None:
        return []
    labels = are_labels(network.y)
    limit, expected = _limit_of_labels(network.output_shape[1]) if labels else _limit_of_numbers(network.y, size)
    if not loss > limit:
        return []
    last = network.weighted[-1]
    record, source = network.records[last], network.calls[last].source
    comes_in = size if source is None or source < 0 else _square(network.records[source])
    # Either what the last layer gets has already grown, or it is at fault alone, or with a batch norm after it.
    with_weights = [i for i, call in enumerate(network.calls) if isinstance(getattr(call.module, "weight", None), nn.Parameter)]
    places = with_weights if comes_in > math.exp(DEPTH / 2) * size else [i for i in with_weights if i >= last]
    tries = [(places, weights) for weights in _initializers(network.activation(places[0]))]
    if record.weight_std and 0 < _square(record) < math.inf:  # outputs of size 1, whatever comes in
        tries.append(([last], init.Normal(0.0, _rounded(record.weight_std / math.sqrt(_square(record))))))
    candidates = [network.rule(some, weights) for some, weights in tries]
    if not labels:
        axes = np.arange(network.y.ndim)  # over all but that of the units, where there are more than two
        over = tuple(np.delete(axes, network.calls[last].axis)) if len(axes) > 2 else 0
        mean = [_rounded(value) for value in np.ravel(network.y.mean(axis=over, dtype=np.float64))]
        candidates += [network.rule(some, weights, mean) for some, weights in tries]
    evidence = (
        f"{network.titles(places)}: the first loss is {loss:.4g}, where {expected}. The output of '{network.name(last)}' has "
        f"mean {record.out_mean:.3g} and standard deviation {record.out_std:.3g}; training must first undo that."
    )
    return [Finding("loss", network.names(places), evidence, candidates=candidates)]


def _limit_of_labels(classes: int) -> tuple[float, str]:
    """How large the first loss may be, and what is known of it."""
    return math.log(classes) + DEPTH / 2, f"equal scores for {classes} classes have ln {classes} = {math.log(classes):.3g}"


def _limit_of_numbers(y: np.ndarray, size: float) -> tuple[float, str]:
    zeros, best = float(np.square(y, dtype=np.float64).mean()), float(y.var(axis=0, dtype=np.float64).mean())
    limit = math.exp(DEPTH / 2) * max(size, min(zeros, math.exp(DEPTH / 2) * best))
    return limit, f"outputs 0 have {zeros:.3g}, and the best constant guess, the mean of y, has {best:.3g}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _square(record: LayerRecord) -> float:
    """The mean square of its output."""
    return record.out_mean**2 + record.out_std**2


def _funnel(network: _Network) -> list[Finding]:
    hidden, outputs = network.main, network.main_outputs()
    records = [network.records[i] for i in outputs]
    widths = [record.units or 1 for record in records]
    squares = [network.gradient(i) / width for i, width in zip(outputs, widths, strict=True)]
    if len(hidden) < 2 or not (widths == sorted(widths) or widths == sorted(widths, reverse=True)):
        return []
    first, last = records[0], records[-1]
    if not (squares[0] and squares[-1] and first.out_std and last.out_std):
        return []
    forward, backward = 2 * math.log(last.out_std / first.out_std), math.log(squares[0] / squares[-1])
    one_sided = max(abs(forward), abs(backward)) > DEPTH / 2 and abs(forward - backward) > DEPTH / 2
    if not one_sided or math.log(max(widths) / min(widths)) <= DEPTH / 2:
        return []
    evidence = (
        f"{network.titles(hidden)}: from {widths[0]} to {widths[-1]} units. The standard deviation of the outputs changes "
        f"{_times(forward)} on the way{_expected(first.predicted_std, last.predicted_std)}, and that of the gradient "
        f"{_times(backward)} on the way back{_expected(last.predicted_grad_ratio, first.predicted_grad_ratio)}. fan_in keeps "
        "the one and fan_out the other; no initializer keeps both, but one between them halves what is lost."
    )
    scale = 1.0 if _initializers(network.activation(hidden[0]))[0] == "lecun_normal" else 2.0
    initializers = [init.VarianceScaling(scale, mode) for mode in ("fan_geo_avg", "fan_avg")]
    return [Finding("mismatch", network.names(hidden), evidence, candidates=network.rules(hidden, initializers))]


def _expected(start: float | None, end: float | None) -> str:
    return f" (theory: {_times(2 * math.log(end / start))})" if start and end else ""


def _log(ratio: float) -> float:
    return math.log(ratio) if ratio else -math.inf


def _times(change: float) -> str:
    """Where a square changes by e^change, what happens to its root."""
    return "to exactly 0" if math.isinf(change) else f"by a factor of {math.exp(change / 2):.2g}"
