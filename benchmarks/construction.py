"""Making a network of 100 linear layers, 1000 wide, weights drawn: minidl against PyTorch, in seconds.

python -m benchmarks.construction [--threads 2] [--quick]

By He's law PyTorch draws twice: its constructor knows one law only, and kaiming_normal_ then overwrites.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.compare import alternate, options, print_table, ratios, save, torch_if_installed

LAYERS, WIDTH = 100, 1000


def main():
    args = options(__doc__, "construction")
    torch = torch_if_installed(args.threads)

    from minidl import init, kernels, nn

    def ours(weight_init, bias_init):
        layer = partial(nn.Linear, WIDTH, WIDTH, weight_init=weight_init, bias_init=bias_init)
        return nn.Sequential(*(layer() for _ in range(LAYERS)))

    def theirs(law_):
        model = torch.nn.Sequential(*(torch.nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)))
        for layer in model if law_ else ():
            law_(layer.weight, nonlinearity="relu")
            torch.nn.init.zeros_(layer.bias)
        return model

    kernels.show_config()
    default = init.presets.pytorch["Linear.weight"], init.presets.pytorch["Linear.bias"]
    laws: dict[str, dict[str, Callable[[], object]]] = {
        "PyTorch's default": {"minidl": partial(ours, *default)},
        "He, normal": {"minidl": partial(ours, init.HeNormal(), init.Zeros())},
        "initialize, He": {"minidl": partial(ours(init.HeNormal(), init.Zeros()).initialize, rng=0)},
    }
    if torch:
        laws["PyTorch's default"]["torch"] = partial(theirs, None)
        laws["He, normal"]["torch"] = partial(theirs, torch.nn.init.kaiming_normal_)
    rows: list[dict[str, Any]] = []
    for law, candidates in laws.items():
        seconds = alternate(candidates, 3 if args.quick else 7)
        rows.append({"law": law} | seconds | ratios(seconds))
    print_table(rows, {"law": "", "minidl": ".3f", "torch": ".3f", "/torch": ".2f"})
    save(rows, args.out)


if __name__ == "__main__":
    main()
