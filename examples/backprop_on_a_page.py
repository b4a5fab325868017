"""Back-propagation on one page: a small network learns to read digits, with NumPy and the chain rule alone.

A `Value` is an array that remembers which values it was computed from. Every operation is a pair: the forward pass computes
the result, and directly below it `backward` turns the gradient of the result into the gradients of the inputs. The walk in
`Value.backward` applies these rules one after the other, from the loss back to the parameters. There is nothing more to it:
all that follows is a network, its training, and a comparison with the gradients of minidl.

In the derivations L is the loss, a single number, and dx stands for dL/dx, an array of the same shape as x.

    python examples/backprop_on_a_page.py
    python examples/backprop_on_a_page.py --epochs 100 --seed 1
"""

import argparse
import itertools

import numpy as np

from minidl import data


class Value:
    """An array, the values it was computed from, and the rule that takes its gradient back to them."""

    numbers = itertools.count()

    def __init__(self, array, parents=(), rule=lambda dy: ()):
        self.data = array
        self.grad = np.zeros_like(array)
        self.parents = parents
        self.rule = rule  # from dL/d(self) to dL/d(parent), one for each parent
        self.number = next(Value.numbers)  # of two values, the younger has the larger number

    def __matmul__(self, other):
        """z = x w, the matrix product: z_ij = sum_k x_ik w_kj.

        Raising x_ik by a little raises z_ij by w_kj times as much, in every column j: dx_ik = sum_j dz_ij w_kj, so dx = dz w^T.
        Raising w_kj raises z_ij by x_ik times as much, in every row i: dw_kj = sum_i x_ik dz_ij, so dw = x^T dz.
        """
        x, w = self.data, other.data

        def backward(dz):
            return dz @ w.T, x.T @ dz

        return Value(x @ w, (self, other), backward)

    def __add__(self, other):
        """z = x + b, where the row b is added to every row of the matrix x: z_ij = x_ij + b_j.

        Raising x_ij raises z_ij by as much: dx = dz. Raising b_j raises z_ij in every row i: db_j = sum_i dz_ij.
        """

        def backward(dz):
            return dz, dz.sum(axis=0)

        return Value(self.data + other.data, (self, other), backward)

    def tanh(self):
        """y = tanh x, for each element: dy/dx = 1 - tanh(x)^2, so dx = dy (1 - y^2)."""
        y = np.tanh(self.data)

        def backward(dy):
            return (dy * (1 - y**2),)

        return Value(y, (self,), backward)

    def cross_entropy(self, labels):
        """L = the mean over the rows i of -ln p_it, where p = softmax(z) are probabilities and t = labels_i is the right class.

        p_ij = e^z_ij / sum_k e^z_ik, so -ln p_it = ln(sum_k e^z_ik) - z_it. Differentiated by z_ij, the first part gives p_ij,
        and the second gives -1 where j = t. With n rows: dz = dL (p - onehot) / n, where onehot is 1 at the right class.
        """
        z = self.data - self.data.max(axis=1, keepdims=True)  # the same p, and e^z cannot overflow
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        onehot = np.eye(z.shape[1])[labels]

        def backward(dloss):
            return (dloss * (p - onehot) / len(z),)

        return Value(np.mean(np.log(np.exp(z).sum(axis=1)) - (z * onehot).sum(axis=1)), (self,), backward)

    def backward(self):
        """Add dL/d(value) to the `.grad` of every value that this one, L, was computed from.

        Every value is younger than its parents. So the youngest value that is waiting has already been told by all that was
        computed from it: its gradient is complete. What reaches a parent along several paths is added up.
        """
        self.grad = np.ones_like(self.data)  # dL/dL
        waiting = {self}
        while waiting:
            value = max(waiting, key=lambda v: v.number)
            waiting.remove(value)
            for parent, gradient in zip(value.parents, value.rule(value.grad), strict=True):
                parent.grad += gradient
                waiting.add(parent)


def network(x, w1, b1, w2, b2):
    """A hidden layer of tanh units, then one output for each digit. Run on tensors of minidl, it is the same network."""
    return (x @ w1 + b1).tanh() @ w2 + b2


def accuracy(x, labels, parameters):
    return np.mean(network(Value(x), *parameters).data.argmax(axis=1) == labels)


def number(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a non-negative integer, got {text!r}")
    return int(text)


def main(arguments=None):
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--epochs", type=number, default=30, help="how often the training set is gone through, default: 30")
    options.add_argument("--seed", type=number, default=0, help="default: 0")
    args = options.parse_args(arguments)

    digits = data.digits()
    x, labels, x_test, labels_test = digits.x_train.astype(float), digits.y_train, digits.x_test, digits.y_test

    # Random weights make the units different; divided by the root of the number of inputs, they keep sums at a moderate size.
    rng = np.random.default_rng(args.seed)
    w1, w2 = rng.normal(size=(64, 32)) / 64**0.5, rng.normal(size=(32, 10)) / 32**0.5
    parameters = [Value(array) for array in (w1, np.zeros(32), w2, np.zeros(10))]
    print(f"before training: {accuracy(x_test, labels_test, parameters):.1%} of the test digits are right")

    for epoch in range(1, args.epochs + 1):
        for batch in np.array_split(rng.permutation(len(x)), len(x) // 64):
            for p in parameters:
                p.grad = np.zeros_like(p.data)
            loss = network(Value(x[batch]), *parameters).cross_entropy(labels[batch])
            loss.backward()
            for p in parameters:
                p.data = p.data - 0.5 * p.grad  # a step downhill, at a learning rate of 0.5
        if epoch % 10 == 0 or epoch == args.epochs:
            right = accuracy(x_test, labels_test, parameters)
            print(f"epoch {epoch}: loss of the last batch {loss.data:.4f}, {right:.1%} of the test digits are right")

    from minidl import Tensor, functional  # only here, for nothing above needs more of minidl than the digits

    ours, theirs = [Value(p.data) for p in parameters], [Tensor(p.data, requires_grad=True) for p in parameters]
    network(Value(x), *ours).cross_entropy(labels).backward()
    functional.cross_entropy(network(Tensor(x), *theirs), labels).backward()
    difference = max(np.abs(a.grad - b.grad).max() for a, b in zip(ours, theirs, strict=True))
    print(f"largest difference from the gradients that minidl computes: {difference:.1e}")


if __name__ == "__main__":
    main()
