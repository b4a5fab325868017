"""One training step in each framework: `FRAMEWORKS[name](network)` makes a call that takes the step and returns the loss.

A step is zero_grad, forward, cross-entropy, backward, and SGD with momentum (or Adam), in float32, always on the same batch.
Every framework begins with the same weights, those that minidl draws, and does the same arithmetic: batch norm keeps its
running statistics, the first layer's input gets no gradient, and the step is over when the weights are. What differs is how:
each is written as its documentation does it, at its fastest. Leaves out the timing, which is in `training_step.py`.

Run as a script it takes five steps and prints the largest memory of the process, in bytes:
python -m benchmarks.steps torch wide
"""

import importlib.util
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

MOMENTUM, EPS, NEW_SHARE = 0.9, 1e-5, 0.1  # the last two are batch norm's
WITH_ADAM = ("minidl", "minidl.capture", "numpy", "torch", "torch.compile")
BETA1, BETA2, ADAM_EPS = 0.9, 0.999, 1e-8
CLASSES = 10
TOLERANCE = 1e-4  # relative, of a loss
Step = Callable[[], Any]  # what it returns has a float()


class Network(NamedTuple):
    """Linear layers of these sizes, with (a batch norm and) an activation between each two.

    Of the two deepest the gradient changes so fast with the weights that twenty steps blow a rounding error up to a percent;
    with a learning rate as small as theirs they do not.
    """

    name: str
    batch: int
    sizes: tuple[int, ...]
    activation: str
    batch_norm: bool = False
    lr: float = 1e-3
    optimizer: str = "SGD"  # or "Adam", for the frameworks in WITH_ADAM

    @property
    def flop(self) -> int:
        """Of a step's matrix products: the output, the gradient of the weights and, but for the first layer, of the input."""
        products = [2 * self.batch * m * n for m, n in pairwise(self.sizes)]
        return 3 * sum(products) - products[0]


class Start(NamedTuple):
    """The batch, and the parameters layer by layer: weight, bias and, before an activation with batch norm, scale and shift."""

    x: Any
    y: Any
    layers: list[list[Any]]


NETWORKS = {
    network.name: network
    for network in (
        Network("tiny", 32, (64, 64, 64, 10), "tanh"),
        Network("digits", 64, (64, 128, 128, 10), "relu"),
        Network("mnist", 64, (784, 256, 128, 10), "relu"),
        Network("mnist_bn", 128, (784, 256, 256, 10), "relu", batch_norm=True),
        Network("deep10x500", 128, (500,) * 11 + (10,), "tanh"),
        Network("deep50x128", 64, (128,) * 51 + (10,), "relu", lr=1e-5),
        Network("deep20x256bn", 128, (256,) * 21 + (10,), "relu", batch_norm=True, lr=3e-7),
        Network("wide", 256, (784, 1024, 1024, 1024, 10), "relu"),
    )
}


def minidl_model(network: Network) -> Any:
    from minidl import nn
    from minidl.random import Generator

    initializer, activation = {"tanh": ("xavier_normal", nn.Tanh), "relu": ("he_normal", nn.ReLU)}[network.activation]
    rng, layers = Generator(0), []
    for m, n in pairwise(network.sizes):
        layers += [nn.Linear(m, n, weight_init=initializer, rng=rng), nn.BatchNorm1d(n, EPS, NEW_SHARE), activation()]
    kept = (layer for layer in layers[:-2] if network.batch_norm or not isinstance(layer, nn.BatchNorm1d))
    return nn.Sequential(*kept)


def start(network: Network) -> Start:
    """Random inputs and labels: a step's time does not depend on what there is to learn."""
    from minidl.random import Generator

    rng = Generator(1)
    x, y = rng.normal((network.batch, network.sizes[0])), rng.integers(0, CLASSES, network.batch)
    parameters, per_layer = [p.data for p in minidl_model(network).parameters()], 4 if network.batch_norm else 2
    return Start(x, y, [parameters[i : i + per_layer] for i in range(0, len(parameters), per_layer)])


def minidl_step(network: Network) -> Step:
    from minidl import Tensor, nn, optim

    x, y, _ = start(network)
    x, model, criterion = Tensor(x), minidl_model(network), nn.CrossEntropyLoss()
    optimizer: optim.Optimizer
    if network.optimizer == "Adam":
        optimizer = optim.Adam(model.parameters(), network.lr, (BETA1, BETA2), ADAM_EPS)
    else:
        optimizer = optim.SGD(model.parameters(), network.lr, MOMENTUM)

    def step():
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def captured_step(network: Network) -> Step:
    """The same step, recorded, and from its fourth call on one call into C."""
    import minidl

    return minidl.capture(minidl_step(network))


def numpy_step(network: Network) -> Step:
    """By hand, without an engine: nothing computed twice, and no new array where an old one can be used."""
    import numpy as np

    x, y, layers = start(network)
    gradients = [[np.empty_like(p) for p in layer] for layer in layers]
    velocities = [[np.zeros_like(p) for p in layer] for layer in layers]
    squares = [[np.zeros_like(p) for p in layer] for layer in layers if network.optimizer == "Adam"]
    steps = 0
    running = [[np.zeros_like(layer[1]), np.ones_like(layer[1])] for layer in layers[:-1]]
    rows, n = np.arange(len(y)), len(y)
    ones = np.ones(n, np.float32)  # ones @ h is h.sum(axis=0), in half the time

    def forward():
        """The logits; the input of each layer; and of each batch norm, its standardized input and one over the deviation."""
        inputs, norms, h = [x], [], x
        for (weight, bias, *affine), stats in zip(layers[:-1], running, strict=True):
            h = h @ weight.T
            h += bias
            if affine:
                mean = ones @ h / n
                h -= mean
                variance = np.einsum("ij,ij->j", h, h) / n
                for value, new in zip(stats, (mean, variance * (n / (n - 1))), strict=True):
                    value += NEW_SHARE * (new - value)
                scale = 1 / np.sqrt(variance + EPS)
                h *= scale
                norms.append((h, scale))
                h = h * affine[0]
                h += affine[1]
            h = np.tanh(h, out=h) if network.activation == "tanh" else np.maximum(h, 0, out=h)
            inputs.append(h)
        weight, bias = layers[-1]
        return h @ weight.T + bias, inputs, norms

    def cross_entropy(logits):
        """The loss, and its gradient by the logits: (softmax - one-hot) / n."""
        logits -= logits.max(axis=1, keepdims=True)
        right = logits[rows, y]
        p = np.exp(logits, out=logits)
        total = p.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - right).mean()
        p /= total
        p[rows, y] -= 1
        p /= n
        return loss, p

    def backward(dy, inputs, norms):
        for i in range(len(layers) - 1, -1, -1):
            if i < len(norms):
                standardized, scale = norms[i]
                dscale, dshift = gradients[i][2:]
                np.einsum("ij,ij->j", dy, standardized, out=dscale)
                np.matmul(ones, dy, out=dshift)
                dy -= dshift / n
                dy -= standardized * (dscale / n)
                dy *= layers[i][2] * scale
            np.matmul(dy.T, inputs[i], out=gradients[i][0])
            np.matmul(ones, dy, out=gradients[i][1])
            if i == 0:
                return
            dy = dy @ layers[i][0]
            h = inputs[i]
            dy *= 1 - h * h if network.activation == "tanh" else h > 0

    def update():
        for layer in zip(layers, gradients, velocities, strict=True):
            for p, g, v in zip(*layer, strict=True):
                v *= MOMENTUM
                v += g
                p -= np.multiply(v, network.lr, out=g)

    def update_by_adam():
        nonlocal steps
        steps += 1
        rate, scale = network.lr / (1 - BETA1**steps), 1 / math.sqrt(1 - BETA2**steps)
        for layer in zip(layers, gradients, velocities, squares, strict=True):
            for p, g, m, v in zip(*layer, strict=True):
                m *= BETA1
                m += (1 - BETA1) * g
                v *= BETA2
                v += np.multiply((1 - BETA2) * g, g, out=g)
                root = np.sqrt(v, out=g)
                root *= scale
                root += ADAM_EPS
                p -= np.divide(rate * m, root, out=root)

    def step():
        logits, inputs, norms = forward()
        loss, dy = cross_entropy(logits)
        backward(dy, inputs, norms)
        update_by_adam() if network.optimizer == "Adam" else update()
        return loss

    return step


def torch_step(network: Network, transform: Callable[[Any], Any] = lambda forward: forward) -> Step:
    """PyTorch, with what `transform` makes of the forward pass up to the loss."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    x, y, layers = start(network)
    modules: list[Any] = []
    for m, n in pairwise(network.sizes):
        modules += [torch.nn.Linear(m, n), torch.nn.BatchNorm1d(n, EPS, NEW_SHARE)]
        modules += [{"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[network.activation]()]
    kept = (module for module in modules[:-2] if network.batch_norm or not isinstance(module, torch.nn.BatchNorm1d))
    model = torch.nn.Sequential(*kept)
    with torch.no_grad():
        for p, value in zip(model.parameters(), flat(layers), strict=True):
            p.copy_(torch.from_numpy(value))
    if network.optimizer == "Adam":
        optimizer = torch.optim.Adam(model.parameters(), network.lr, (BETA1, BETA2), ADAM_EPS, fused=True)
    else:
        optimizer = torch.optim.SGD(model.parameters(), network.lr, MOMENTUM, fused=True)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    forward = transform(lambda: torch.nn.functional.cross_entropy(model(x), y))

    def step():
        optimizer.zero_grad()
        loss = forward()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def compiled_step(network: Network) -> Step:
    """torch.compile over the forward pass, with the backward pass that it makes of it."""
    import torch

    torch.compiler.reset()  # or it takes this network for the last one in another shape
    return torch_step(network, torch.compile)


def jax_step(network: Network) -> Step:
    """The whole step is one compiled function; it may overwrite the old weights (they are "donated")."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax
    import jax.numpy as jnp

    x, y, layers = start(network)
    x, y, layers = jax.device_put((x, y, layers))
    velocities = jax.tree.map(jnp.zeros_like, layers)
    running = [[jnp.zeros_like(layer[1]), jnp.ones_like(layer[1])] for layer in layers[:-1]]
    activation = {"tanh": jnp.tanh, "relu": jax.nn.relu}[network.activation]

    def loss_of(layers, running, x, y):
        h, new_running = x, []
        for (weight, bias, *affine), (old_mean, old_variance) in zip(layers[:-1], running, strict=True):
            h = h @ weight.T + bias
            if affine:
                mean, variance, n = h.mean(0), h.var(0), len(h)
                h = (h - mean) * jax.lax.rsqrt(variance + EPS) * affine[0] + affine[1]
                old_mean = old_mean + NEW_SHARE * (mean - old_mean)
                old_variance = old_variance + NEW_SHARE * (variance * n / (n - 1) - old_variance)
            new_running.append([old_mean, old_variance])
            h = activation(h)
        log_p = jax.nn.log_softmax(h @ layers[-1][0].T + layers[-1][1])
        return -log_p[jnp.arange(len(y)), y].mean(), new_running

    @jax.jit(donate_argnums=(0, 1, 2))
    def update(layers, velocities, running, x, y):
        (loss, running), gradients = jax.value_and_grad(loss_of, has_aux=True)(layers, running, x, y)
        velocities = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocities, gradients)
        return loss, jax.tree.map(lambda p, v: p - network.lr * v, layers, velocities), velocities, running

    def step():
        nonlocal layers, velocities, running
        loss, layers, velocities, running = jax.block_until_ready(update(layers, velocities, running, x, y))
        return loss

    return step


def autograd_step(network: Network) -> Step:
    """HIPS autograd finds the gradient; the update is the one by hand, in place."""
    import autograd.numpy as np
    from autograd import value_and_grad
    from autograd.tracer import getval

    x, y, layers = start(network)
    velocities = [[np.zeros_like(p) for p in layer] for layer in layers]
    running = [[np.zeros_like(layer[1]), np.ones_like(layer[1])] for layer in layers[:-1]]
    rows, n = np.arange(len(y)), len(y)

    def loss_of(layers):
        h = x
        for (weight, bias, *affine), stats in zip(layers[:-1], running, strict=True):
            h = np.dot(h, weight.T) + bias
            if affine:
                mean = np.mean(h, axis=0)
                h = h - mean
                variance = np.mean(h * h, axis=0)
                for value, new in zip(stats, (mean, variance * (n / (n - 1))), strict=True):
                    value += NEW_SHARE * (getval(new) - value)
                h = h / np.sqrt(variance + EPS) * affine[0] + affine[1]
            h = np.tanh(h) if network.activation == "tanh" else np.maximum(h, 0)
        logits = np.dot(h, layers[-1][0].T) + layers[-1][1]
        logits = logits - np.max(getval(logits), axis=1, keepdims=True)
        return np.mean(np.log(np.sum(np.exp(logits), axis=1)) - logits[rows, y])

    gradient = value_and_grad(loss_of)

    def step():
        loss, gradients = gradient(layers)
        for layer in zip(layers, gradients, velocities, strict=True):
            for p, g, v in zip(*layer, strict=True):
                v *= MOMENTUM
                v += g
                p -= network.lr * v
        return loss

    return step


def tinygrad_step(network: Network) -> Step:
    """The whole step is recorded once by TinyJit, and played again."""
    os.environ.setdefault("DEV", "CPU")
    from tinygrad import Context, Tensor, TinyJit
    from tinygrad.nn import BatchNorm
    from tinygrad.nn.optim import SGD

    x, y, layers = start(network)
    x, y, layers = Tensor(x), Tensor(y.astype("int32")), [[Tensor(p) for p in layer] for layer in layers]
    norms = [BatchNorm(n, EPS, momentum=NEW_SHARE) for n in network.sizes[1:-1]]
    if network.batch_norm:
        for layer, norm in zip(layers[:-1], norms, strict=True):
            norm.weight, norm.bias = layer[2:]
    optimizer = SGD(flat(layers), network.lr, MOMENTUM)
    running = flat((norm.running_mean, norm.running_var) for norm in norms) if network.batch_norm else []

    @TinyJit
    @Context(TRAINING=1)
    def jitted():
        optimizer.zero_grad()
        h = x
        for (weight, bias, *affine), norm in zip(layers[:-1], norms, strict=True):
            h = h.linear(weight.T, bias)
            h = norm(h) if affine else h
            h = h.tanh() if network.activation == "tanh" else h.relu()
        loss = h.linear(layers[-1][0].T, layers[-1][1]).sparse_categorical_crossentropy(y).backward()
        return loss.realize(*optimizer.schedule_step(), *running)

    def step():
        return jitted().item()

    return step


FRAMEWORKS: dict[str, Callable[[Network], Step]] = {
    "minidl": minidl_step,
    "minidl.capture": captured_step,
    "numpy": numpy_step,
    "torch": torch_step,
    "torch.compile": compiled_step,
    "jax": jax_step,
    "autograd": autograd_step,
    "tinygrad": tinygrad_step,
}


def installed() -> list[str]:
    """The frameworks that can be imported here, minidl first."""
    return [name for name in FRAMEWORKS if importlib.util.find_spec(name.partition(".")[0])]


def agreeing(network: Network, frameworks: Iterable[str]) -> dict[str, Step]:
    """A warm step of each framework whose losses are minidl's; a line about each that fails or disagrees."""
    result: dict[str, Step] = {}
    expected: list[float] = []
    for name in frameworks:
        try:
            step = FRAMEWORKS[name](network)
            losses = [float(step()) for _ in range(20)]
        except Exception as error:
            if name == "minidl":
                raise
            reason = (str(error).splitlines() or [""])[0]
            print(f"{name} fails in {network.name} and is left out: {type(error).__name__}: {reason}")
            continue
        expected = expected or losses
        if wrong := first_difference(losses, expected):
            theirs, ours = losses[wrong - 1], expected[wrong - 1]
            print(f"WRONG: {name} in {network.name}: the loss of step {wrong} is {theirs:.6f}, minidl's {ours:.6f}; left out")
            continue
        result[name] = step
    return result


def first_difference(losses: Sequence[float], expected: Sequence[float]) -> int | None:
    """The number of the first step whose loss is not the expected one to TOLERANCE of it; NaN never is."""
    for number, (loss, right) in enumerate(zip(losses, expected, strict=True), 1):
        if not (math.isfinite(right) and abs(loss - right) <= TOLERANCE * abs(right)):
            return number
    return None


def flat(layers: Iterable[Iterable[Any]]) -> list[Any]:
    return [p for layer in layers for p in layer]


def main() -> None:
    import resource

    framework, network = sys.argv[1:]
    step = FRAMEWORKS[framework](NETWORKS[network])
    for _ in range(5):
        step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))


if __name__ == "__main__":
    main()
