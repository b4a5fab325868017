"""The explorer, a page that trains networks in the browser: where its file is, and which link stands for a model.

    python -m minidl.explore

opens it; `model.explore()` shows it in a notebook. The page itself, and what computes in it, is in docs/explore/.
"""

import argparse
import math
import webbrowser
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from . import init, nn

DATA = {(64, 10): "digits", (2, 3): "spirals", (2, 2): "circles"}  # by the units that come in and go out
ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.Tanh: "tanh", nn.ReLU: "relu", nn.Sigmoid: "sigmoid", nn.LeakyReLU: "leaky_relu", nn.ELU: "elu", nn.SiLU: "silu",
    nn.GELU: "gelu",
}  # fmt: skip
FIXED: dict[type[nn.Module], dict[str, float]] = {  # what these have there
    nn.LeakyReLU: {"negative_slope": 0.01}, nn.ELU: {"alpha": 1.0}, nn.BatchNorm1d: {"eps": 1e-5},
}  # fmt: skip
HEIGHT = 900  # of the page in a notebook, in pixels


def page() -> Path:
    """The explorer's HTML file: beside this one where minidl is installed, in docs/explore/ where its sources are."""
    installed = Path(__file__).with_name("explore.html")
    path = installed if installed.exists() else Path(__file__).parent.parent / "docs/explore/index.html"
    if not path.exists():
        raise FileNotFoundError(f"the explorer's page is not there: {path}; install minidl again, or run tools/explorer.py")
    return path


class Explorer:
    """A model's network in the explorer, which a notebook shows. `link` is what stands behind the page's address for it."""

    def __init__(self, model: nn.Module):
        self.link = link(model)

    def __repr__(self):
        return f"Explorer of {self.link}: a notebook shows it; without one, `python -m minidl.explore` opens the page"

    def _repr_html_(self) -> str:
        text = page().read_text(encoding="utf-8")
        text = text.replace('<meta name="state" content="">', f'<meta name="state" content="{escape(self.link)}">', 1)
        return (
            f'<iframe title="minidl explorer" style="width:100%;height:{HEIGHT}px;border:0" srcdoc="{escape(text)}"></iframe>'
        )


def link(model: nn.Module) -> str:
    """What the explorer's address ends in, to show a network of this model's shape and initializers, drawn from seed 0.

    Parameters
    ----------
    model : Module
        A Sequential of Linear layers, each but the last followed by the same: BatchNorm1d or none, and an activation or none.
        It takes 64 units and has 10 (digits), or takes 2 and has 3 or 2 (spirals, circles).

    Raises
    ------
    ValueError
        If the explorer cannot show this model. The message names the layer, and what can be shown.

    Examples
    --------
    >>> link(nn.Sequential(nn.Linear(64, 32, weight_init="he_normal"), nn.ReLU(), nn.Linear(32, 10, weight_init=0.0)))
    '#data=digits&activation=relu&init=he_normal&norm=0&depth=2&width=32&gain=1&bias=0&layers=2:zeros:1'
    """
    modules = list(model.named_modules())
    if own := [name for name, module in modules if next(module.named_children(), None) and type(module) is not nn.Sequential]:
        raise ValueError(f"explore shows a Sequential of layers, one after the other; '{own[0]}' may call its own in any order")
    layers = [(name, module) for name, module in modules if type(module) is not nn.Sequential]
    linear = [(name, module) for name, module in layers if isinstance(module, nn.Linear)]
    _check_layers(layers)
    if not linear:
        raise ValueError(f"explore shows networks of Linear layers, and {type(model).__name__} has none")
    sizes = [linear[0][1].in_features, *(module.out_features for _, module in linear)]
    if unfit := [name for (name, module), units in zip(linear, sizes, strict=False) if module.in_features != units]:
        raise ValueError(f"explore: Linear '{unfit[0]}' does not take what the layer before it gives")
    if (sizes[0], sizes[-1]) not in DATA:
        raise ValueError(
            "explore shows networks for its data, which have 64 features and 10 classes, or 2 and 3, or 2 and 2; this model "
            f"has {sizes[0]} and {sizes[-1]}"
        )
    if len(linear) > 50 or not all(2 <= width <= 256 for width in sizes[1:-1]):
        raise ValueError(
            f"explore shows up to 50 layers, of 2 to 256 units; this model has {len(linear)}, of {sizes[1:]} units"
        )
    activation, norm = _between(layers)
    initializers = [_initializer(name, module) for name, module in linear]
    (usual, _), *_ = Counter(initializers).most_common(1)
    said: dict[str, Any] = {"data": DATA[sizes[0], sizes[-1]], "activation": activation, "init": usual[0], "norm": int(norm)}
    said |= {"depth": len(linear), "width": max(sizes[1:-1], default=64)}
    said |= {"gain": f"{usual[1]:.17g}", "bias": f"{_bias(linear):.17g}"}
    own = [f"{i + 1}:{name}:{gain:.17g}" for i, (name, gain) in enumerate(initializers) if (name, gain) != usual]
    if own:
        said["layers"] = ",".join(own)
    if len(set(sizes[1:-1])) > 1:
        said["widths"] = ",".join(map(str, sizes[1:-1]))
    return "#" + urlencode(said, safe=":,")


def _check_layers(layers: Sequence[tuple[str, nn.Module]]) -> None:
    """A ValueError for what would be shown as something else."""
    for i, (name, module) in enumerate(layers):
        if any(module is other for _, other in layers[:i]):
            raise ValueError(
                f"explore cannot show that '{name}' is a layer that was there before: its layers have their own weights"
            )
        for attribute, value in FIXED.get(type(module), {}).items():
            if getattr(module, attribute) != value:
                raise ValueError(f"explore has {type(module).__name__} with {attribute}={value} only; '{name}' is {module!r}")
        if isinstance(module, nn.BatchNorm1d) and not _begins_as_usual(module):
            raise ValueError(f"explore has BatchNorm1d with a weight and a bias that learn, and begin as 1 and 0; not '{name}'")
        if any(parameter.dtype != np.float32 for parameter in module.parameters()):
            raise ValueError(f"explore computes in float32, and '{name}' has parameters of another dtype")


def _begins_as_usual(norm: nn.BatchNorm1d) -> bool:
    return (
        norm.weight is not None and norm.bias is not None and bool((norm.weight.data == 1).all() and not norm.bias.data.any())
    )


def _between(layers: Sequence[tuple[str, nn.Module]]) -> tuple[str, bool]:
    """The activation between linear layers, and whether there is batch norm: the same everywhere."""
    groups: list[list[nn.Module]] = []
    for name, module in layers:
        if type(module) is nn.Linear:
            groups.append([])
        elif not groups or type(module) not in (*ACTIVATIONS, nn.BatchNorm1d):
            raise ValueError(f"explore cannot show {module!r} ('{name}'): only Linear, then BatchNorm1d, then an activation")
        else:
            groups[-1].append(module)
    *hidden, last = groups
    kinds = {tuple(type(module) for module in group) for group in hidden} or {()}
    group = kinds.pop()
    norm = group[:1] == (nn.BatchNorm1d,)
    if kinds or last or len(group[norm:]) > 1 or nn.BatchNorm1d in group[norm:]:
        raise ValueError(
            "explore shows networks that have the same after each Linear layer, BatchNorm1d or none and then an activation or "
            "none, and nothing after the last"
        )
    return ACTIVATIONS[group[-1]] if group[norm:] else "identity", norm


def _initializer(name: str, layer: nn.Linear) -> tuple[str, float]:
    """What the explorer calls the initializer of a layer's weights, and its gain."""
    made = layer.weight.initializer
    match made if type(made).__module__.startswith("minidl.init.") else None:  # and no subclass, which may do anything
        case init.Zeros() | init.Constant(value=0):
            return "zeros", 1.0
        case init.Ones():
            return "constant", 1.0
        case init.Constant(value=value) if isinstance(value, (int, float)) and 0 <= value <= 100:
            return "constant", float(value)
        case init.Normal(mean=0.0, std=std) if std <= 100:
            return "normal", float(std)
        case init.Uniform(low=low, high=high) if low == -high and high <= 100:
            return "uniform", float(high)
        case init.Orthogonal(gain=gain) if 0 <= gain <= 100:
            return "orthogonal", float(gain)
        case init.XavierNormal(gain=gain) | init.XavierUniform(gain=gain) if 0 <= gain <= 100:
            return ("xavier_normal" if isinstance(made, init.XavierNormal) else "xavier_uniform"), float(gain)
        case init.HeNormal(a=0, mode="fan_in"):
            return "he_normal", 1.0
        case init.HeUniform(a=0, mode="fan_in"):
            return "he_uniform", 1.0
        case init.LecunNormal():
            return "lecun_normal", 1.0
        case init.LecunUniform():
            return "lecun_uniform", 1.0
        case init.VarianceScaling(scale=scale, mode="fan_in" | "fan_avg" as mode, distribution="normal" | "uniform" as kind):
            if scale <= 1e4:
                return f"{'lecun' if mode == 'fan_in' else 'xavier'}_{kind}", math.sqrt(scale)
    raise ValueError(
        f"explore cannot show the initializer of Linear '{name}', {made!r}: only zeros, constants, Normal and Uniform around "
        "0, Xavier, He, LeCun and Orthogonal"
    )


def _bias(linear: Sequence[tuple[str, nn.Linear]]) -> float:
    values = set()
    for name, layer in linear:
        made = None if layer.bias is None else layer.bias.initializer
        match made:
            case init.Zeros():
                values.add(0.0)
            case init.Constant(value=value) if isinstance(value, (int, float)) and -10 <= value <= 10:
                values.add(float(value))
            case _:
                raise ValueError(f"explore shows layers with a bias that begins with a number; Linear '{name}' has {made!r}")
    if len(values) > 1:
        raise ValueError(
            f"explore shows networks whose biases all begin with the same number; these begin with {sorted(values)}"
        )
    return values.pop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m minidl.explore", description="Opens the explorer in the browser.")
    parser.add_argument("link", nargs="?", default="", help="a network to begin with: '#depth=20&init=he_normal'")
    address = page().resolve().as_uri() + parser.parse_args().link
    print(address if webbrowser.open(address) else f"There is no browser to open; open this file in one: {address}")


if __name__ == "__main__":
    main()
