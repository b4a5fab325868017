"""Models as ONNX files, for runtimes that need neither Python nor minidl: each layer is a node, or a few.

What is written is inference, as after `eval()`: dropout is nothing, batch norm uses its running statistics. Leaves out what a
graph without a fixed size of images cannot say, and models with a `forward` of their own.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nn
from ..atomic import write_whole
from ..data import as_array
from ..version import __version__

OPSET = 20  # the first with Gelu
SIMPLE: dict[type[nn.Module], str] = {
    nn.Tanh: "Tanh", nn.ReLU: "Relu", nn.Sigmoid: "Sigmoid", nn.SELU: "Selu", nn.Softplus: "Softplus", nn.GELU: "Gelu",
}  # fmt: skip


def to_onnx(model: nn.Module, x: Any, path: Any) -> None:
    """Write a model to a file in the ONNX format.

    Parameters
    ----------
    model : Module
        Of minidl's own layers, Sequential and Residual. It is written as it is in `eval()`, whichever mode it is in.
    x : array_like
        Some inputs: the graph takes others of their shape, in any number.
    path : path

    Raises
    ------
    TypeError
        If a module has a `forward` of its own. The message names it.
    ValueError
        If a layer cannot be written: an AdaptiveAvgPool2d to other sizes than 1, batch norm without running statistics.
    ImportError
        If the package `onnx` is not installed.

    Examples
    --------
    >>> to_onnx(nn.Sequential(nn.Linear(4, 3), nn.Tanh()), np.zeros((1, 4)), "model.onnx")  # doctest: +SKIP
    """
    import onnx
    from onnx import helper, numpy_helper

    x = as_array(x)
    was_training = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        y = model(x)
    finally:
        for module, mode in was_training:
            module.training = mode
    graph = _Graph(helper, numpy_helper)
    # Numbers that are no labels are taken as the model's layers take them.
    dtype = np.dtype(np.int64) if x.dtype.kind in "iu" and isinstance(next(_leaves(model)), nn.Embedding) else y.dtype
    out = graph.node("Identity", [graph.write(model, "input", "")])
    described = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), ["batch", *shape[1:]])
        for name, kind, shape in (("input", dtype, x.shape), (out, y.dtype, y.shape))
    ]
    made = helper.make_graph(graph.nodes, "minidl", described[:1], described[1:], graph.values)
    opset = [helper.make_opsetid("", OPSET)]
    file = helper.make_model(made, producer_name="minidl", producer_version=__version__, opset_imports=opset, ir_version=10)
    onnx.checker.check_model(file, full_check=True)
    write_whole(path, file.SerializeToString())


def _leaves(model: nn.Module) -> Any:
    return (module for module in model.modules() if next(module.named_children(), None) is None)


class _Graph:
    """Nodes and constants, in the order in which they are written. A value goes by its name."""

    def __init__(self, helper: Any, numpy_helper: Any):
        self.helper, self.numpy_helper = helper, numpy_helper
        self.nodes: list[Any] = []
        self.values: list[Any] = []

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Appends an operation, and returns what its output is called."""
        output = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, array: Any) -> str:
        name = f"value{len(self.values)}"
        self.values.append(self.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def write(self, module: nn.Module, x: str, name: str) -> str:
        """Appends what this module does with x."""
        if type(module) is nn.Sequential:
            for part, child in module.named_children():
                x = self.write(child, x, f"{name}{part}.")
            return x
        if type(module) is nn.Residual:
            y = self.write(module.branch, x, f"{name}branch.")
            return self.node("Add", [x, y if module.scale is None else self.node("Mul", [y, self.constant(module.scale.data)])])
        if type(module) in SIMPLE:
            return self.node(SIMPLE[type(module)], [x])
        if type(module) not in WRITERS:
            raise TypeError(
                f"to_onnx: {type(module).__name__} '{name.rstrip('.')}' is not one of minidl's own layers; a model with a "
                "forward of its own cannot be written"
            )
        return WRITERS[type(module)](self, module, x, name.rstrip("."))


def _linear(graph: _Graph, layer: Any, x: str, name: str) -> str:
    y = graph.node("MatMul", [x, graph.constant(layer.weight.data.T)])  # x W^T
    return y if layer.bias is None else graph.node("Add", [y, graph.constant(layer.bias.data)])


def _pair(size: Any) -> list[int]:
    return [size, size] if isinstance(size, int) else list(size)


def _edges(padding: Any) -> list[int]:
    return _pair(padding) * 2  # above, left, below, right


def _convolution(graph: _Graph, layer: Any, x: str, name: str) -> str:
    inputs = [graph.constant(array.data) for array in (layer.weight, layer.bias) if array is not None]
    sizes = {"kernel_shape": _pair(layer.kernel_size), "strides": _pair(layer.stride), "dilations": _pair(layer.dilation)}
    if isinstance(layer, nn.ConvTranspose2d):
        more = {"pads": _edges(layer.padding), "output_padding": _pair(layer.output_padding)}
        return graph.node("ConvTranspose", [x, *inputs], group=layer.groups, **sizes, **more)
    if layer.padding == "valid":
        pads = [0, 0, 0, 0]
    elif layer.padding == "same":
        reach = [step * (size - 1) for step, size in zip(sizes["dilations"], sizes["kernel_shape"], strict=True)]
        pads = [*(r // 2 for r in reach), *(r - r // 2 for r in reach)]
    else:
        pads = _edges(layer.padding)
    if layer.padding_mode == "circular" and any(pads):
        around = [0, 0, *pads[:2], 0, 0, *pads[2:]]
        x, pads = graph.node("Pad", [x, graph.constant(np.array(around))], mode="wrap"), [0, 0, 0, 0]
    return graph.node("Conv", [x, *inputs], group=layer.groups, pads=pads, **sizes)


def _batch_norm(graph: _Graph, layer: Any, x: str, name: str) -> str:
    if layer.running_mean is None:
        raise ValueError(f"to_onnx: {type(layer).__name__} '{name}' has no running statistics, so there is no inference")
    ones, zeros = np.ones_like(layer.running_mean), np.zeros_like(layer.running_mean)
    learned = [ones, zeros] if layer.weight is None else [layer.weight.data, layer.bias.data]
    inputs = [graph.constant(array) for array in (*learned, layer.running_mean, layer.running_var)]
    return graph.node("BatchNormalization", [x, *inputs], epsilon=layer.eps)


def _layer_norm(graph: _Graph, layer: Any, x: str, name: str) -> str:
    shape = layer.normalized_shape
    dtype = np.dtype(layer.dtype) if layer.weight is None else layer.weight.dtype
    inputs = [graph.constant(np.ones(shape, dtype) if layer.weight is None else layer.weight.data)]
    inputs += [] if layer.bias is None else [graph.constant(layer.bias.data)]
    return graph.node("LayerNormalization", [x, *inputs], axis=-len(shape), epsilon=layer.eps)


def _pool(graph: _Graph, layer: Any, x: str, name: str) -> str:
    sizes = {"kernel_shape": _pair(layer.kernel_size), "strides": _pair(layer.stride), "pads": _edges(layer.padding)}
    if isinstance(layer, nn.MaxPool2d):
        return graph.node("MaxPool", [x], dilations=_pair(layer.dilation), **sizes)
    return graph.node("AveragePool", [x], count_include_pad=int(layer.count_include_pad), **sizes)


def _adaptive_pool(graph: _Graph, layer: Any, x: str, name: str) -> str:
    if layer.output_size not in (1, (1, 1)):
        raise ValueError(
            f"to_onnx: AdaptiveAvgPool2d '{name}' makes images of size {layer.output_size}, and ONNX has only the mean over "
            "whole images, size 1; use AvgPool2d"
        )
    return graph.node("GlobalAveragePool", [x])


WRITERS: dict[type, Callable[[_Graph, Any, str, str], str]] = {
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _convolution,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.MaxPool2d: _pool,
    nn.AvgPool2d: _pool,
    nn.AdaptiveAvgPool2d: _adaptive_pool,
    nn.Flatten: lambda graph, layer, x, name: graph.node("Flatten", [x]),
    nn.Dropout: lambda graph, layer, x, name: x,
    nn.Identity: lambda graph, layer, x, name: x,
    nn.Embedding: lambda graph, layer, x, name: graph.node("Gather", [graph.constant(layer.weight.data), x]),
    nn.LeakyReLU: lambda graph, layer, x, name: graph.node("LeakyRelu", [x], alpha=float(layer.negative_slope)),
    nn.ELU: lambda graph, layer, x, name: graph.node("Elu", [x], alpha=float(layer.alpha)),
    nn.SiLU: lambda graph, layer, x, name: graph.node("Mul", [x, graph.node("Sigmoid", [x])]),
    nn.Softmax: lambda graph, layer, x, name: graph.node("Softmax", [x], axis=layer.dim),
    nn.LogSoftmax: lambda graph, layer, x, name: graph.node("LogSoftmax", [x], axis=layer.dim),
}
