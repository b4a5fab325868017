"""Prints the numbers that the ledger (examples/ledger/) expects "in plain NumPy": trainings and a funnel, without minidl.

Run it with `python tests/recorded/simulate_ledger.py`; it takes minutes. Of minidl it takes the digits only. All is in float64
and drawn by NumPy, so that neither the engine nor the initializers nor the random numbers are those that are put to the test.
"""

import functools
from itertools import pairwise

import numpy as np

from minidl import data

SPLIT = data.digits()
X, X_TEST = SPLIT.x_train.astype(float), SPLIT.x_test.astype(float)
ACTIVATIONS = {  # and the derivative, from the output
    "tanh": (np.tanh, lambda y: 1 - y**2),
    "relu": (lambda z: np.maximum(z, 0), lambda y: y > 0),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda y: y * (1 - y)),
}


def normal(std):
    return lambda rng, n_out, n_in: rng.normal(0, std(n_in, n_out), (n_out, n_in))


def uniform(low, high):
    return lambda rng, n_out, n_in: rng.uniform(low(n_in, n_out), high(n_in, n_out), (n_out, n_in))


def scaled(std):
    return normal(lambda n_in, n_out: std / np.sqrt(n_in))


INITIALIZERS = {
    "small": normal(lambda n_in, n_out: 0.01),
    "U[0, 1)": uniform(lambda n_in, n_out: 0, lambda n_in, n_out: 1),
    "N(0, 1)": normal(lambda n_in, n_out: 1),
    "Xavier": normal(lambda n_in, n_out: np.sqrt(2 / (n_in + n_out))),
    "Xavier, uniform": uniform(lambda i, o: -np.sqrt(6 / (i + o)), lambda i, o: np.sqrt(6 / (i + o))),
    "He": normal(lambda n_in, n_out: np.sqrt(2 / n_in)),
    "He, uniform": uniform(lambda i, o: -np.sqrt(6 / i), lambda i, o: np.sqrt(6 / i)),
}
OLD = uniform(lambda n_in, n_out: -1 / np.sqrt(n_in), lambda n_in, n_out: 1 / np.sqrt(n_in))


def sgd(gradient, memory, t, momentum=0.0):
    memory[0] = momentum * memory[0] + gradient
    return memory[0]


def adam(gradient, memory, t):
    memory[0] += 0.1 * (gradient - memory[0])
    memory[1] += 0.001 * (gradient**2 - memory[1])
    return memory[0] / (1 - 0.9**t) / (np.sqrt(memory[1] / (1 - 0.999**t)) + 1e-8)


def rmsprop(gradient, memory, t):
    memory[1] += 0.01 * (gradient**2 - memory[1])
    return gradient / (np.sqrt(memory[1]) + 1e-8)


MOMENTUM = functools.partial(sgd, momentum=0.9)


def forward(weights, biases, function, x):
    outputs = [x]
    for weight, bias in zip(weights, biases, strict=True):
        outputs.append(outputs[-1] @ weight.T + bias)
        if len(outputs) <= len(weights):
            outputs[-1] = function(outputs[-1])
    return outputs


def log_softmax(scores):
    scores = scores - scores.max(axis=1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def train(initializer, seed, activation="tanh", depth=6, epochs=4, lr=0.1, rule=sgd, batch=64):
    """Loss on the training set and accuracy on the test set after each epoch."""
    function, derivative = ACTIVATIONS[activation]
    rng = np.random.default_rng(seed)
    sizes = [64] * depth + [10]
    weights = [initializer(rng, n_out, n_in) for n_in, n_out in pairwise(sizes)]
    biases = [np.zeros(n_out) for n_out in sizes[1:]]
    memories = [np.zeros((2, *parameter.shape)) for parameter in weights + biases]
    t, found = 0, []
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for first in range(0, len(X), batch):
            chosen = order[first : first + batch]
            outputs = forward(weights, biases, function, X[chosen])
            dy = np.exp(log_softmax(outputs[-1]))
            dy[np.arange(len(chosen)), SPLIT.y_train[chosen]] -= 1
            dy /= len(chosen)
            gradients = [None] * (2 * depth)
            for layer in reversed(range(depth)):
                gradients[layer], gradients[depth + layer] = dy.T @ outputs[layer], dy.sum(axis=0)
                dy = (dy @ weights[layer]) * derivative(outputs[layer])
            t += 1
            for parameter, memory, gradient in zip(weights + biases, memories, gradients, strict=True):
                parameter -= lr * rule(gradient, memory, t)
        loss = -log_softmax(forward(weights, biases, function, X)[-1])[np.arange(len(X)), SPLIT.y_train].mean()
        right = (forward(weights, biases, function, X_TEST)[-1].argmax(axis=1) == SPLIT.y_test).mean()
        found.append((loss, right))
    return np.array(found)


def funnel(rng, mode, widths=(512, 256, 128, 64, 32, 16)):
    """Mean square of the outputs, last layer against first, and of the gradients, first against last."""
    outputs, weights = [rng.normal(size=(100, widths[0]))], []
    for n_in, n_out in pairwise(widths):
        weights.append(rng.normal(size=(n_out, n_in)) * np.sqrt(2 / (n_in if mode == "fan_in" else n_out)))
        outputs.append(np.maximum(outputs[-1] @ weights[-1].T, 0))
    gradients = [rng.normal(size=(100, widths[-1]))]
    for weight, output in zip(weights[:0:-1], outputs[:1:-1], strict=True):
        gradients.append((gradients[-1] * (output > 0)) @ weight)
    squares = [(values**2).mean() for values in (outputs[-1], outputs[1], gradients[-1], gradients[0])]
    return squares[0] / squares[1], squares[2] / squares[3]


def shown(values):
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def main():
    print("claim 24: 2,000 funnels, geometric means of outputs and gradients, and what one varies by")
    rng = np.random.default_rng(5)
    for mode in ("fan_in", "fan_out"):
        logarithms = np.log([funnel(rng, mode) for _ in range(2000)]) / 2
        print(f"  {mode}: {np.exp(logarithms.mean(axis=0)).round(3)}, {logarithms.std(axis=0, ddof=1).round(2)}")
    print("claims 15, 27, 36, 43: 6 layers, 16 seeds, 4 epochs: loss; right; epochs to a loss of 0.5; how many NaN")
    for activation in ACTIVATIONS:
        for name, initializer in INITIALIZERS.items():
            runs = np.array([train(initializer, 1000 + seed, activation) for seed in range(16)])
            epochs = 1 + (runs[:, :, 0] < 0.5).argmax(axis=1)
            arrived = f"{shown(epochs)} epochs" if (runs[:, :, 0] < 0.5).any(axis=1).all() else "not all arrive"
            nan = np.isnan(runs[:, -1, 0]).sum()
            print(f"  {activation}, {name}: {shown(runs[:, -1, 0])}; {shown(runs[:, -1, 1])}, {arrived}; {nan}")
    slow = {"lr": 0.005, "rule": MOMENTUM, "batch": 32}
    print("claim 14: 10 layers, 5 epochs, 8 seeds: right")
    for std in (0.1, 0.3, 1, 10):
        print(f"  {std}: {shown([train(scaled(std), 2000 + seed, depth=10, epochs=5, **slow)[-1, 1] for seed in range(8)])}")
    print("claims 16, 26: 15 epochs: loss")
    for name, initializer, depth, seeds in (("old", OLD, 2, 6), ("old", OLD, 20, 4), ("LeCun", scaled(1), 20, 4)):
        losses = [train(initializer, 2000 + seed, depth=depth, epochs=15, **slow)[-1, 0] for seed in range(seeds)]
        print(f"  {name}, {depth} layers: {shown(losses)}")
    print("claim 31: 5 ReLU layers, 5 epochs, 16 seeds: loss, ln 10 where it is larger or NaN, from weights of std s / sqrt n")
    rates = {sgd: (0.01, 0.03, 0.1, 0.3), MOMENTUM: (0.001,), adam: (0.001, 0.01, 0.1), rmsprop: (0.003,)}
    for name, rule in {"SGD": sgd, "momentum 0.9": MOMENTUM, "Adam": adam, "RMSprop": rmsprop}.items():
        for lr in rates[rule]:
            for s in (0.3, 1, 2, 4, 8):
                runs = [train(scaled(s), 3000 + seed, "relu", 5, 5, lr, rule)[-1, 0] for seed in range(16)]
                print(f"  {name}, rate {lr}, s = {s}: {shown(np.fmin(runs, np.log(10)))}")


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        main()
