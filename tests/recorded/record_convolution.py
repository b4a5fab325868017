"""Writes convolution.json: what PyTorch computes with the layers that tests/nn/test_conv.py makes, values and gradients.

Run it with PyTorch 2.13: `python tests/recorded/record_convolution.py`. minidl takes no part in it; PyTorch is imported in the
function only, because pytest imports every file to look for doctests. Numbers are rounded, so that the file can be checked by
hand; gradients are those of sum(upstream * output).
"""

import json
from pathlib import Path

import numpy as np

rng = np.random.default_rng(14)

# name: (layer, arguments, shape of the input)
LAYERS = {
    "conv": ("Conv2d", {"in_channels": 2, "out_channels": 3, "kernel_size": 3}, (2, 2, 4, 5)),
    "conv of one image": ("Conv2d", {"in_channels": 2, "out_channels": 2, "kernel_size": 2}, (2, 3, 3)),
    "conv, all options": (
        "Conv2d",
        {"in_channels": 4, "out_channels": 2, "kernel_size": [3, 2], "stride": [2, 1], "padding": [2, 1], "dilation": [1, 2]}
        | {"groups": 2, "bias": False},
        (1, 4, 4, 4),
    ),
    "conv, same": ("Conv2d", {"in_channels": 1, "out_channels": 2, "kernel_size": [2, 3], "padding": "same"}, (1, 1, 3, 4)),
    "conv, same, even and dilated": (
        "Conv2d",
        {"in_channels": 1, "out_channels": 1, "kernel_size": [4, 2], "padding": "same", "dilation": [1, 3]},
        (1, 1, 5, 4),
    ),
    "conv, circular": (
        "Conv2d",
        {"in_channels": 2, "out_channels": 1, "kernel_size": 3, "padding": [1, 2], "padding_mode": "circular", "stride": 2},
        (1, 2, 3, 4),
    ),
    "conv, circular, same": (
        "Conv2d",
        {"in_channels": 1, "out_channels": 1, "kernel_size": [2, 3], "padding": "same", "padding_mode": "circular"},
        (1, 1, 3, 4),
    ),
    "depthwise": ("Conv2d", {"in_channels": 3, "out_channels": 3, "kernel_size": 3, "padding": 1, "groups": 3}, (2, 3, 3, 4)),
    "transposed": ("ConvTranspose2d", {"in_channels": 2, "out_channels": 3, "kernel_size": 3}, (1, 2, 2, 3)),
    "transposed, all options": (
        "ConvTranspose2d",
        {"in_channels": 4, "out_channels": 2, "kernel_size": [3, 2], "stride": [2, 3], "padding": [1, 0], "dilation": [2, 1]}
        | {"output_padding": [1, 2], "groups": 2},
        (1, 4, 3, 2),
    ),
    "transposed, output_padding over stride": (
        "ConvTranspose2d",
        {"in_channels": 1, "out_channels": 1, "kernel_size": 2, "dilation": 3, "output_padding": [2, 1]},
        (1, 1, 2, 3),
    ),
    "max": ("MaxPool2d", {"kernel_size": 2}, (1, 2, 5, 4)),
    "max, all options": (
        "MaxPool2d",
        {"kernel_size": [3, 2], "stride": [1, 2], "padding": [1, 1], "dilation": [2, 1]},
        (2, 1, 5, 4),
    ),
    "mean": ("AvgPool2d", {"kernel_size": 2}, (1, 2, 5, 4)),
    "mean, padded": ("AvgPool2d", {"kernel_size": 3, "stride": 2, "padding": 1}, (1, 2, 4, 5)),
    "mean, padding not counted": (
        "AvgPool2d",
        {"kernel_size": [3, 2], "stride": 1, "padding": [1, 0], "count_include_pad": False},
        (1, 1, 4, 3),
    ),
    "adaptive mean": ("AdaptiveAvgPool2d", {"output_size": [2, 3]}, (1, 2, 5, 4)),
    "adaptive mean, larger than the image": ("AdaptiveAvgPool2d", {"output_size": [4, None]}, (1, 1, 3, 2)),
}


def record():
    import torch

    recorded = {}
    for name, (kind, arguments, shape) in LAYERS.items():
        tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
        layer = getattr(torch.nn, kind)(**tuples).double()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape).round(1)))
        x = torch.tensor(rng.normal(size=shape).round(1), requires_grad=True)
        y = layer(x)
        upstream = torch.from_numpy(rng.normal(size=y.shape).round(1))
        y.backward(upstream)
        recorded[name] = {
            "layer": kind,
            "arguments": arguments,
            "x": x.tolist(),
            "parameters": {key: value.tolist() for key, value in layer.state_dict().items()},
            "y": y.tolist(),
            "upstream": upstream.tolist(),
            "dx": x.grad.tolist(),
            "gradients": {key: value.grad.tolist() for key, value in layer.named_parameters()},
        }
    return recorded


if __name__ == "__main__":
    Path(__file__).with_name("convolution.json").write_text(json.dumps(record(), indent=1) + "\n")
