"""Making a network of 100 linear layers, 1000 wide, weights drawn: minidl against PyTorch, in seconds.

python -m benchmarks.construction [--threads 2] [--quick]

With He's initializer PyTorch draws twice: its constructor knows one initializer only, and kaiming_normal_ then overwrites.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import compare

LAYERS, WIDTH = 100, 1000


def main():
    args = compare.options(__doc__, "construction")
    torch = compare.torch_if_installed(args.threads)

    from minidl import init, nn

    def ours(weight_init, bias_init):
        layer = partial(nn.Linear, WIDTH, WIDTH, weight_init=weight_init, bias_init=bias_init)
        return nn.Sequential(*(layer() for _ in range(LAYERS)))

    def theirs(fill):
        model = torch.nn.Sequential(*(torch.nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))
        for layer in model if fill else ():
            fill(layer.weight, nonlinearity="relu")
            torch.nn.init.zeros_(layer.bias)
        return model

    default = init.presets.pytorch["Linear.weight"], init.presets.pytorch["Linear.bias"]
    initializers: dict[str, dict[str, Callable[[], object]]] = {
        "PyTorch's default": {"minidl": partial(ours, *default)},
        "He, normal": {"minidl": partial(ours, init.HeNormal(), init.Zeros())},
        "initialize, He": {"minidl": partial(ours(init.HeNormal(), init.Zeros()).initialize, rng=0)},
    }
    if torch:
        initializers["PyTorch's default"]["torch"] = partial(theirs, None)
        initializers["He, normal"]["torch"] = partial(theirs, torch.nn.init.kaiming_normal_)
    rows: list[dict[str, Any]] = []
    for name, candidates in initializers.items():
        seconds = compare.alternate(candidates, 3 if args.quick else 7)
        rows.append({"weights": name} | seconds | compare.ratios(seconds))
    columns = {"weights": "", "minidl": ".3f", "torch": ".3f", "/torch": ".2f"}
    compare.report(args, "seconds", compare.table(rows, columns))


if __name__ == "__main__":
    main()
