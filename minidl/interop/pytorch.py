"""Models to PyTorch and back. Both have the same layers under the same names, so a table of their arguments is all it takes.

Leaves out models with a `forward` of their own, whose code cannot be translated; their `state_dict` moves as it is.
"""

from typing import Any

import numpy as np

from .. import nn

CONVOLUTION = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
# What each layer is made with; its attributes have the same names, here and there.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "Linear": ("in_features", "out_features"),
    "Conv2d": (*CONVOLUTION, "padding_mode"),
    "ConvTranspose2d": (*CONVOLUTION, "output_padding", "padding_mode"),
    "BatchNorm1d": ("num_features", "eps", "momentum"),
    "BatchNorm2d": ("num_features", "eps", "momentum"),
    "LayerNorm": ("normalized_shape", "eps"),
    "Embedding": ("num_embeddings", "embedding_dim", "padding_idx"),
    "Dropout": ("p",),
    "MaxPool2d": ("kernel_size", "stride", "padding", "dilation"),
    "AvgPool2d": ("kernel_size", "stride", "padding", "count_include_pad"),
    "AdaptiveAvgPool2d": ("output_size",),
    "ELU": ("alpha",),
    "LeakyReLU": ("negative_slope",),
    "LogSoftmax": ("dim",),
    "Softmax": ("dim",),
    **dict.fromkeys(("Flatten", "GELU", "Identity", "ReLU", "SELU", "SiLU", "Sigmoid", "Softplus", "Tanh"), ()),
}
# What PyTorch's layers can do and minidl's cannot, and the value that stands for not doing it.
ONLY_IN_TORCH: dict[str, dict[str, Any]] = {
    "AvgPool2d": {"ceil_mode": False, "divisor_override": None},
    "Embedding": {"max_norm": None, "scale_grad_by_freq": False, "sparse": False},
    "Flatten": {"start_dim": 1, "end_dim": -1},
    "GELU": {"approximate": "none"},
    "MaxPool2d": {"ceil_mode": False, "return_indices": False},
    "Softplus": {"beta": 1.0, "threshold": 20.0},
}


def arguments(layer: Any, kind: str) -> dict[str, Any]:
    """What makes a layer like this one, minidl's or PyTorch's."""
    found = {name: getattr(layer, name) for name in ARGUMENTS[kind]}
    if kind in ("Linear", "Conv2d", "ConvTranspose2d", "LayerNorm"):
        found["bias"] = layer.bias is not None
    if kind.startswith("BatchNorm"):
        found |= {"affine": layer.weight is not None, "track_running_stats": layer.running_mean is not None}
    if kind == "LayerNorm":
        found["elementwise_affine"] = layer.weight is not None
    return found


def to_torch(model: nn.Module) -> Any:
    """A PyTorch module that computes what this model does, with copies of its parameters and buffers.

    Parameters
    ----------
    model : Module
        Of minidl's own layers, Sequential and Residual. It is copied in its mode, `train()` or `eval()`; a layer that is there
        twice is one layer there, too.

    Returns
    -------
    torch.nn.Module
        Its parameters have the same names, but in a Residual, which PyTorch does not have.

    Raises
    ------
    TypeError
        If a module has a `forward` of its own. The message names it.
    ImportError
        If PyTorch is not installed.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    >>> to_torch(model)  # doctest: +SKIP
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): Tanh()
    )
    """
    import torch

    class Residual(torch.nn.Module):
        def __init__(self, branch: Any, scale: Any):
            super().__init__()
            self.branch = branch
            self.register_parameter("scale", None if scale is None else torch.nn.Parameter(scale))

        def forward(self, x: Any) -> Any:
            y = self.branch(x)
            return x + y if self.scale is None else x + self.scale * y

    made: dict[int, Any] = {}

    def translated(module: nn.Module, name: str) -> Any:
        if id(module) not in made:
            made[id(module)] = new = created(module, name)
            new.train(module.training)
        return made[id(module)]

    def created(module: nn.Module, name: str) -> Any:
        kind = type(module).__name__
        if type(module) is nn.Sequential:
            return torch.nn.Sequential(*(translated(child, f"{name}{part}.") for part, child in module.named_children()))
        if type(module) is nn.Residual:
            scale = None if module.scale is None else torch.from_numpy(module.scale.data.copy())
            return Residual(translated(module.branch, f"{name}branch."), scale)
        _refuse_unknown("to_torch", module, nn, name)
        new = getattr(torch.nn, kind)(**arguments(module, kind))
        values = {key: torch.from_numpy(np.array(value)) for key, value in module.state_dict().items()}
        if any(value.dtype == torch.float64 for value in values.values()):
            new = new.double()
        new.load_state_dict(values)
        return new

    return translated(model, "")


def from_torch(module: Any) -> nn.Module:
    """A model that computes what this PyTorch module does, with copies of its parameters and buffers.

    Parameters
    ----------
    module : torch.nn.Module
        Of the layers that minidl has, and Sequential; on whichever device.

    Raises
    ------
    TypeError
        If it has a `forward` of its own, or is a layer that minidl does not have. The message names it.
    ValueError
        If a layer does what minidl's cannot: a MaxPool2d with ceil_mode, say.

    Examples
    --------
    >>> import torch  # doctest: +SKIP
    >>> model = from_torch(torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh()))  # doctest: +SKIP
    """
    import torch

    made: dict[int, nn.Module] = {}

    def translated(module: Any, name: str) -> nn.Module:
        if id(module) not in made:
            made[id(module)] = new = created(module, name)
            new.train(module.training)
        return made[id(module)]

    def created(module: Any, name: str) -> nn.Module:
        kind = type(module).__name__
        if type(module) is torch.nn.Sequential:
            # named_children would leave out the second place of a layer that is there twice
            parts = [item for item in module.named_modules(remove_duplicate=False) if item[0] and "." not in item[0]]
            return nn.Sequential(*(translated(child, f"{name}{part}.") for part, child in parts))
        _refuse_unknown("from_torch", module, torch.nn, name)
        for option, usual in ONLY_IN_TORCH.get(kind, {}).items():
            if getattr(module, option) != usual:
                raise ValueError(
                    f"from_torch: {kind} '{name.rstrip('.')}' has {option}={getattr(module, option)!r}, and minidl's layer "
                    f"knows {usual!r} only"
                )
        values = {key: value.detach().cpu().numpy() for key, value in module.state_dict().items()}
        wide = {"dtype": np.float64} if any(value.dtype == np.float64 for value in values.values()) else {}
        new = getattr(nn, kind)(**arguments(module, kind), **wide)
        new.load_state_dict(values)
        return new

    return translated(module, "")


def _refuse_unknown(caller: str, module: Any, home: Any, name: str) -> None:
    kind = type(module).__name__
    if kind not in ARGUMENTS or type(module) is not getattr(home, kind, None):
        where = f" '{name.rstrip('.')}'" if name else ""
        raise TypeError(
            f"{caller}: {kind}{where} is not one of the layers that both libraries have. A model with a forward of its own is "
            "written anew on the other side; then load_state_dict takes its state_dict"
        )
