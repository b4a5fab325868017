"""The default initializers of other frameworks' layers, as rules for `Module.initialize`.

    model.initialize(rng=0, rules=init.presets.keras)
    model.initialize(rng=0, rules={"head.*": init.Zeros(), **init.presets.pytorch})

They name Linear, the convolutions and the normalizations; these frameworks initialize a convolution as they do a linear layer.
A transposed one's weight begins with the input's channels, which PyTorch, Chainer and tinygrad take for the output's: their
"fan_in" is its fan_out. And they all count without the stride, by which this one divides fan_out, or fan_in of a transposed
convolution: with a stride Keras' rule differs for both, and Flax' for transposed ones.

The distributions are those of the frameworks, not the random numbers. Sources, each with the version or commit that was read:

- `pytorch`: torch 2.13.0, `nn.Linear.reset_parameters`: kaiming_uniform_ with a = sqrt(5), that is U(-k, k) with
  k = 1 / sqrt(fan_in), variance 1 / (3 fan_in), for weight and bias; `_NormBase.reset_parameters`: ones and zeros.
- `keras`: keras-team/keras 01b8036, `layers.Dense`: glorot_uniform and zeros; BatchNormalization: ones and zeros;
  `BaseConvTranspose` (05aa52d).
- `flax`: google/flax 02603f6, `linen.Dense`: jax.nn.initializers.lecun_normal, in google/jax 4d744f6 a normal one cut at two
  standard deviations and widened to variance 1 / fan_in; zeros; `linen.BatchNorm` (018c99b): ones and zeros.
- `chainer`: chainer v6.6.0, `links.Linear`: LeCunNormal (1319c5a: normal, variance 1 / fan_in, not cut) and 0;
  `links.BatchNormalization` (033df99): 1 and 0; `links.Deconvolution2D` (09895c4) with `get_fans` (0522c54).
- `tinygrad`: tinygrad 00dc250, `nn.Linear`: kaiming_uniform with a = sqrt(5), and a bias from U(-k, k), as in PyTorch;
  `nn.BatchNorm2d`: ones and zeros; `nn.ConvTranspose2d`.
"""

import math
from types import MappingProxyType

from .base import Initializer
from .distributions import HeUniform, LecunNormal, Ones, VarianceScaling, XavierUniform, Zeros


def _rules(
    layer: tuple[Initializer, Initializer], transposed: tuple[Initializer, Initializer] | None = None
) -> MappingProxyType[str, Initializer]:
    """Of weights and biases; those of a transposed convolution are as a layer's where nothing is said of them."""
    rules: dict[str, Initializer] = {}
    for name, (weight, bias) in {"Linear": layer, "Conv2d": layer, "ConvTranspose2d": transposed or layer}.items():
        rules |= {f"{name}.weight": weight, f"{name}.bias": bias}
    for name in ("BatchNorm1d", "BatchNorm2d", "LayerNorm"):
        rules |= {f"{name}.weight": Ones(), f"{name}.bias": Zeros()}
    return MappingProxyType(rules)


pytorch = _rules(
    (HeUniform(math.sqrt(5)), VarianceScaling(1 / 3, "fan_in", "uniform")),
    (HeUniform(math.sqrt(5), "fan_out"), VarianceScaling(1 / 3, "fan_out", "uniform")),
)
keras = _rules((XavierUniform(), Zeros()))
flax = _rules((VarianceScaling(1.0, "fan_in", "truncated_normal"), Zeros()))
chainer = _rules((LecunNormal(), Zeros()), (VarianceScaling(1.0, "fan_out", "normal"), Zeros()))
tinygrad = pytorch
