# %% [markdown]
# # 8. A study: fifty layers
#
# This assignment is a small piece of research. You get deep networks of your own, predict from theory what will become
# of the signal and the gradient in them, write your prediction down, and only then measure. Then you explain what you
# saw, and above all what you did not expect. Four short functions are tested as usual. The larger part of the work is a
# report, which a person reads.
#
# ## The signal has a fixed point
#
# Take a network of many wide layers: y = W x + b, x = f(y). The weights are independent with variance σw² / fan_in, the
# biases with variance σb². A sum of many independent terms is close to normal. So if the sums of one layer have the
# mean square q, those of the next have
#
#     q' = σw² E[f(√q z)²] + σb²        z normal, with mean 0 and variance 1
#
# This map says what a layer does, and it is the same in each. For tanh it leads to a fixed point q*, where q' = q,
# within a few layers. From then on the signal neither grows nor shrinks, whatever σw is. That tells nothing of what it
# still carries.
#
# ## One number for both directions
#
# Follow two inputs that are close to each other. Let the sums of a unit be u and u + d, with a small difference d. One
# layer on they are f(u) and f(u + d), which differ by about f'(u) d. Summed over the units, with new weights,
#
#     E[d'²] = σw² E[f'(u)²] E[d²] = χ E[d²],        χ = σw² E[f'(√q* z)²]
#
# On the way back a gradient goes through the same f' and through weights of the same variance. In layers of equal width
# it is multiplied by the same χ, now as its mean square, in each layer. So one number decides both:
#
# - **Order**, χ < 1: all inputs become alike, and the gradient vanishes.
# - **Chaos**, χ > 1: inputs that were nearly equal part, and the gradient explodes.
# - **Critical**, χ = 1: both stay as they are.
#
# ## How deep can it be?
#
# From layer to layer, the mean square of the difference between two inputs shrinks like χ^l = e^(-l / ξ), with the
# depth scale ξ = -1 / ln χ. In chaos inputs end at a correlation below 1, and ξ is defined by χ there; at χ = 1 it is
# infinite. Schoenholz, Gilmer, Ganguli and Sohl-Dickstein (2017) found that networks learn as long as they are not much
# deeper than 6 ξ. After that, what tells a three from a five has fallen (in its mean square) below e^-6 of what it was,
# and the gradient, too, has changed by a factor that no learning rate serves for all layers.
#
# All this is in `minidl.theory`: `fixed_point(f, sigma_w, sigma_b)`, `backward_factor(f, q, sigma_w)`, which is χ,
# `depth_scale(f, sigma_w, sigma_b)` and `critical_sigma_w(f, sigma_b)`. They take σw and σb, not their squares, and f
# is a function such as `F.tanh`. Read their docstrings.
#
# ## What is asked
#
# | question | | points |
# |---|---|---|
# | 1 | build a deep network | 3 |
# | 2 | predict its phase | 3 |
# | 3 | predict its gradients | 2 |
# | 4 | measure its gradients | 4 |
# | 5 | the report | 8 |
#
# It takes about four hours, half of them for the report. The tests that you see give 5 of the 12 points of
# the first four questions. The hidden ones check everything that these questions ask, also what no visible test touches
# (variances, chaos, gradients whose mean is not 0).

# %% [markdown] lang="zh"
# # 8. 一项研究：五十层的网络
#
# 这次作业是一项小小的研究。你会得到属于自己的深层网络，由理论预测其中的信号和梯度会怎样，把预测写下来，然后才去测量。接着解释你看到的现象，尤其是出乎意料的地方。四个短函数照常由程序测试；更大的一部分是一份报告，由人来阅读。
#
# ## 信号有一个不动点
#
# 设网络由许多很宽的层组成：y = W x + b，x = f(y)。各个权重相互独立，方差为 σw² / fan_in，偏置的方差为 σb²。许多独立的项之和接近正态分布。所以，如果某一层的加权和的均方值是 q，下一层就是
#
#     q' = σw² E[f(√q z)²] + σb²        z 服从均值为 0、方差为 1 的正态分布
#
# 这个映射说明一层的作用，而每一层的映射都相同。对 tanh，它在几层之内就接近不动点 q*，在那里 q' = q。从此以后，不论 σw 是多少，信号既不增大也不缩小。但这并不说明信号里还剩下什么。
#
# ## 一个数决定两个方向
#
# 跟踪两个彼此接近的输入。设一个神经元的加权和分别是 u 和 u + d，差 d 很小。再过一层，它们成为 f(u) 和 f(u + d)，相差大约 f'(u) d。对各个神经元求和，权重是新的，于是
#
#     E[d'²] = σw² E[f'(u)²] E[d²] = χ E[d²],        χ = σw² E[f'(√q* z)²]
#
# 往回走时，梯度经过同样的 f'，也经过方差相同的权重。各层等宽时，它的均方值在每一层也乘以同一个 χ。所以，一个数决定了两个方向：
#
# - **有序**，χ < 1：所有输入变得一样，梯度消失。
# - **混沌**，χ > 1：几乎相同的输入彼此分开，梯度爆炸。
# - **临界**，χ = 1：两者都保持不变。
#
# ## 网络能有多深？
#
# 两个输入之差的均方值，逐层按 χ^l = e^(-l / ξ) 缩小，其中深度尺度 ξ = -1 / ln χ。在混沌相中，两个输入最后的相关系数小于 1，ξ 由那里的 χ 定义；χ = 1 时，ξ 为无穷大。Schoenholz、Gilmer、Ganguli 与 Sohl-Dickstein（2017）发现，只要网络不比 6 ξ 深太多，就能学习。再往深处，区分 3 和 5 的信息（按均方值）已经降到原来的 e^-6 以下，而梯度改变的倍数也大得没有哪一个学习率能适合所有的层。
#
# 这些都在 `minidl.theory` 中：`fixed_point(f, sigma_w, sigma_b)`；`backward_factor(f, q, sigma_w)`，即 χ；`depth_scale(f, sigma_w, sigma_b)`；`critical_sigma_w(f, sigma_b)`。它们的参数是 σw 和 σb，不是平方；f 是像 `F.tanh` 这样的函数。请读它们的文档字符串。
#
# ## 题目
#
# | 题号 | | 分数 |
# |---|---|---|
# | 1 | 搭建深层网络 | 3 |
# | 2 | 预测它处于哪一相 | 3 |
# | 3 | 预测它的梯度 | 2 |
# | 4 | 测量它的梯度 | 4 |
# | 5 | 报告 | 8 |
#
# 大约需要四小时，其中一半用于报告。第 1 至 4 题共 12 分，你能看到的测试占 5 分；隐藏的测试检验这几题要求的一切，包括可见的测试没有涉及的内容（方差、混沌相、梯度平均值不为 0 的网络）。测试信息和代码注释为英文。

# %% part="setup"
from itertools import pairwise

import numpy as np

from minidl import data, flow, init, nn, optim, theory, training
from minidl import functional as F
from minidl.random import Generator

STUDENT = ""  # your id, if your instructor gave each student numbers of their own


def my_case():
    """The depth and the sigma_b of your networks."""
    rng = Generator(7).stream(str(STUDENT))
    return int(rng.integers(30, 51)), round(float(rng.uniform((), 0.1, 0.3)), 2)


# %% part="tests"
from course.expect import expect

_Z, _WEIGHT = np.polynomial.hermite_e.hermegauss(120)  # E[g(z)] = sum of WEIGHT g(Z), but for their sum


def _mean(values):
    return values @ _WEIGHT / _WEIGHT.sum()


def _by_quadrature(sigma_w, sigma_b):
    """(q, chi) of tanh: the map of the signal, 2000 times, and the mean of the squared slopes."""
    q = 1.0
    for _ in range(2000):
        q = sigma_w**2 * _mean(np.tanh(np.sqrt(q) * _Z) ** 2) + sigma_b**2
    return q, sigma_w**2 * _mean((1 - np.tanh(np.sqrt(q) * _Z) ** 2) ** 2)


def _network(model):
    """What deep returned."""
    assert isinstance(model, nn.Sequential), f"deep returned a {type(model).__name__}, expected an nn.Sequential"
    return model


def _four(found):
    """What predict returned."""
    assert isinstance(found, (tuple, list)), f"predict returned {found!r}, expected the four (q, chi, xi, phase)"
    assert len(found) == 4, f"predict returned {len(found)} things, expected the four (q, chi, xi, phase)"
    return found


# %% [markdown] question="deep"
# ## Question 1: build a deep network (3 points)
#
# Write `deep(depth, width, activation, sigma_w, sigma_b, rng)`: an `nn.Sequential` of `depth` hidden layers, each an
# `nn.Linear` and behind it an activation, and at last one more `nn.Linear`. It has 64 inputs, `width` units in each
# hidden layer, and 10 outputs. All weights, those of the last layer too, are normal with variance σw² / fan_in, and all
# biases are normal with variance σb². `activation` is a class, such as `nn.Tanh`. `rng` is a seed or a Generator. The
# same seed gives the same network, and no two layers are alike: remember that a seed makes a new generator wherever it
# is given.

# %% [markdown] question="deep" lang="zh"
# ## 第 1 题：搭建深层网络（3 分）
#
# 写出 `deep(depth, width, activation, sigma_w, sigma_b, rng)`：一个 `nn.Sequential`，有 `depth` 个隐藏层，每个是一个 `nn.Linear`，后面接一个激活函数；最后再加一个 `nn.Linear`。它有 64 个输入，每个隐藏层有 `width` 个神经元，有 10 个输出。所有权重（包括最后一层）都服从方差为 σw² / fan_in 的正态分布，所有偏置都服从方差为 σb² 的正态分布。`activation` 是一个类，例如 `nn.Tanh`。`rng` 是随机种子或 Generator。同一个随机种子给出同一个网络，而任何两层都不相同：请记住，随机种子每给出一次，就产生一个新的生成器。


# %% part="solution" question="deep"
def deep(depth, width, activation, sigma_w, sigma_b, rng):
    """A network 64 - width - ... - width - 10, with weights of variance sigma_w^2 / fan_in and biases of sigma_b^2."""
    # BEGIN SOLUTION
    random = {"weight_init": init.VarianceScaling(sigma_w**2), "bias_init": init.Normal(std=sigma_b)}
    layers = []
    for i in range(depth):
        layers += [nn.Linear(width if i else 64, width, **random), activation()]
    return nn.Sequential(*layers, nn.Linear(width, 10, **random)).initialize(rng=rng)
    # END SOLUTION


# %% part="public" question="deep" points=1
def test_deep_has_its_layers():
    """Three hidden layers of 100 units: which layers there are, and their shapes."""
    model = _network(deep(3, 100, nn.Tanh, 1.0, 0.5, 0))
    kinds = [type(layer).__name__ for layer in model]
    assert kinds == 3 * ["Linear", "Tanh"] + ["Linear"], f"the layers of deep(3, 100, nn.Tanh, ...) are {', '.join(kinds)}"
    shapes = [layer.weight.shape for layer in model if isinstance(layer, nn.Linear)]
    right = [(100, 64), (100, 100), (100, 100), (10, 100)]
    assert shapes == right, f"the weights of deep(3, 100, nn.Tanh, ...) have the shapes {shapes}, expected {right}"
    shapes = [layer.weight.shape for layer in _network(deep(1, 20, nn.Tanh, 1.0, 0.5, 0)) if isinstance(layer, nn.Linear)]
    assert shapes == [(20, 64), (10, 20)], f"the weights of deep(1, 20, ...) have the shapes {shapes}: width is 20 there"


# %% part="hidden" question="deep" points=2
def test_deep_has_its_variances():
    """All weights and biases are normal, with their variances; the same seed gives the same network, no two layers are alike."""
    sigma_w, sigma_b = 1.5, 0.4
    model = _network(deep(10, 100, nn.ReLU, sigma_w, sigma_b, 3))
    assert isinstance(model[1], nn.ReLU), f"the activation of deep(10, 100, nn.ReLU, ...) is {type(model[1]).__name__}"
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    inner = np.array([layer.weight.data for layer in linear[1:-1]])
    # The standard deviation of n normal numbers strays by 1 / sqrt(2 n) of itself; allowed are six times that.
    for name, values, right in (
        ("weights of the first layer, times sqrt(64),", linear[0].weight.data * 8, sigma_w),
        ("weights between hidden layers, times sqrt(100),", inner * 10, sigma_w),
        ("weights of the last layer, times sqrt(100),", linear[-1].weight.data * 10, sigma_w),
        ("biases", np.concatenate([layer.bias.data for layer in linear]), sigma_b),
    ):
        found = float(np.sqrt(np.mean(values**2)))
        assert abs(found / right - 1) < 6 / np.sqrt(2 * values.size), (
            f"the {name} have the standard deviation {found:.3g}, expected {right:g}: the variances are sigma_w² / fan_in and sigma_b²"
        )
    # E[w⁴] / E[w²]² is 3 for a normal distribution, give or take √(24 / n) = 0.016, and 1.8 for a uniform one.
    fourth = float(np.mean(inner**4) / np.mean(inner**2) ** 2)
    assert abs(fourth - 3) < 0.1, (
        f"the weights have the right variance, but are not normal: the mean of w⁴ is {fourth:.2f} σ⁴, where 3 σ⁴ is expected "
        "(1.8 is a uniform distribution's, 2.1 that of a normal one without its tails)"
    )
    biases = [layer.bias.data for layer in linear]
    zero = [i for i, bias in enumerate(biases) if not bias.all()]
    assert not zero, f"the biases of the Linear layers {zero}, counted from 0, are 0: all biases have the variance sigma_b²"
    for name, (first, second) in (("weights", inner[:2]), ("biases", biases[1:3])):
        assert not np.array_equal(first, second), (
            f"two layers have the same {name}: a seed given to each layer makes the same generator again; make one, or call "
            "initialize"
        )
    for name, seeds in (("seed", (3, 3, 4)), ("Generator", (Generator(3), Generator(3), Generator(4)))):
        one, same, other = (_network(deep(10, 100, nn.ReLU, sigma_w, sigma_b, rng))[2] for rng in seeds)
        for kind in ("weight", "bias"):
            values = [getattr(layer, kind).data for layer in (one, same, other)]
            assert np.array_equal(*values[:2]), f"deep gives another {kind} for the same {name}: draw all from rng"
            assert not np.array_equal(*values[1:]), f"deep gives the same {kind} for another {name}: draw all from rng"


# %% [markdown] question="predict"
# ## Question 2: predict its phase (3 points)
#
# Write `predict(f, sigma_w, sigma_b)`, which returns the four things (q, chi, xi, phase) from `minidl.theory`: the
# fixed point, χ at the fixed point, the depth scale, and the phase. The phase is "order" where χ is below 0.999,
# "chaos" where it is above 1.001, and "critical" between the two.

# %% [markdown] question="predict" lang="zh"
# ## 第 2 题：预测它处于哪一相（3 分）
#
# 写出 `predict(f, sigma_w, sigma_b)`，由 `minidl.theory` 求出并返回四个量 (q, chi, xi, phase)：不动点、不动点处的 χ、深度尺度，以及处于哪一相。χ 小于 0.999 时 phase 是 "order"，大于 1.001 时是 "chaos"，两者之间是 "critical"。


# %% part="solution" question="predict"
def predict(f, sigma_w, sigma_b):
    """The fixed point q, chi there, the depth scale xi, and "order", "critical" or "chaos"."""
    # BEGIN SOLUTION
    q = theory.fixed_point(f, sigma_w, sigma_b)
    chi = theory.backward_factor(f, q, sigma_w)
    phase = "order" if chi < 0.999 else "chaos" if chi > 1.001 else "critical"
    return q, chi, theory.depth_scale(f, sigma_w, sigma_b), phase
    # END SOLUTION


# %% part="public" question="predict" points=1
def test_predict_without_biases():
    """tanh with sigma_w = 0.9, where all can be worked out by hand: q = 0, chi = 0.81; and relu with sqrt(2)."""
    q, chi, xi, phase = _four(predict(F.tanh, 0.9, 0.0))
    # q goes to 0, where tanh' is 1: chi = 0.9², xi = -1 / ln 0.81
    what = "(q, chi, xi) of predict(F.tanh, 0.9, 0)"
    expect(what, [q, chi, xi], [0.0, 0.81, 4.745611], 1e-5, {"theory takes sigma_w, not its square": [0.0, 0.6561, 2.372805]})
    assert phase == "order", f"the phase of predict(F.tanh, 0.9, 0) is {phase!r}, expected 'order'"
    q, chi, xi, phase = _four(predict(F.relu, 2**0.5, 0.0))  # half of each square is lost: 2 / 2
    expect("(q, chi) of predict(F.relu, sqrt(2), 0)", [q, chi], [1.0, 1.0], 1e-5)
    assert xi > 1e6, f"xi of predict(F.relu, sqrt(2), 0) is {xi}, expected infinity or nearly so"
    assert phase == "critical", f"the phase of predict(F.relu, sqrt(2), 0) is {phase!r}, expected 'critical'"


# %% part="hidden" question="predict" points=2
def test_predict_for_networks_of_your_own():
    """tanh with your sigma_b, in order and in chaos: q and chi from the map itself; and the phase near the critical line."""
    _, sigma_b = my_case()
    for sigma_w, right in ((1.0, "order"), (2.0, "chaos")):
        q, chi, xi, phase = _four(predict(F.tanh, sigma_w, sigma_b))
        true_q, true_chi = _by_quadrature(sigma_w, sigma_b)
        what = f"predict(F.tanh, {sigma_w}, {sigma_b})"
        slopes = (1 - np.tanh(_Z) ** 2) ** 2
        at_one = {"chi is taken at q = 1, not at the fixed point": [true_q, sigma_w**2 * _mean(slopes)]}
        expect(f"(q, chi) of {what}", [q, chi], [true_q, true_chi], 1e-4, at_one)
        assert phase == right, f"the phase of {what} is {phase!r}, expected {right!r}"
        if right == "order":
            expect(f"xi of {what}, where it is -1 / ln chi,", xi, -1 / np.log(true_chi), 1e-3)
        else:
            # Two inputs end at c* < 1, which solves c = (sigma_w² E[f(u_a) f(u_b)] + sigma_b²) / q; xi is that of chi there.
            y = np.tanh(np.sqrt(true_q) * _Z)
            low, high = 0.0, 1 - 1e-4
            for _ in range(50):
                c = (low + high) / 2
                pairs = np.tanh(np.sqrt(true_q) * (c * _Z[:, None] + np.sqrt(1 - c * c) * _Z))
                next_c = (sigma_w**2 * _mean(y * _mean(pairs)) + sigma_b**2) / true_q
                low, high = (c, high) if next_c > c else (low, c)
            b = np.sqrt(true_q) * (c * _Z[:, None] + np.sqrt(1 - c * c) * _Z)
            chi_c = sigma_w**2 * _mean((1 - y**2) * _mean(1 - np.tanh(b) ** 2))
            no_chaos = {
                "in chaos -1 / ln chi is negative; theory.depth_scale takes chi where two inputs end": -1 / np.log(true_chi)
            }
            expect(f"xi of {what}", xi, -1 / np.log(chi_c), 1e-2, no_chaos)
    for variance, right in ((0.9985, "order"), (0.9995, "critical")):  # without biases q = 0 there, and chi is the variance
        *_, phase = _four(predict(F.tanh, variance**0.5, 0.0))
        assert phase == right, (
            f"the phase is {phase!r} where chi is {variance}, expected {right!r}: the limits are 0.999 and 1.001"
        )


# %% [markdown] question="profile"
# ## Question 3: predict its gradients (2 points)
#
# Write `predicted_gradients(chi, depth)`: the root mean square of the gradient for the sums of each hidden layer, from
# the first to the last, divided by that of the last hidden layer. It is a list of `depth` numbers that ends with 1. All
# hidden layers are equally wide.

# %% [markdown] question="profile" lang="zh"
# ## 第 3 题：预测它的梯度（2 分）
#
# 写出 `predicted_gradients(chi, depth)`：从第一个到最后一个隐藏层，各层加权和的梯度的均方根，除以最后一个隐藏层的均方根。这是一个有 `depth` 个数的列表，最后一个数是 1。各隐藏层同样宽。


# %% part="solution" question="profile"
def predicted_gradients(chi, depth):
    """The gradient's root mean square at each hidden layer's sums, relative to that of the last."""
    # BEGIN SOLUTION
    return [chi ** ((depth - 1 - i) / 2) for i in range(depth)]
    # END SOLUTION


# %% part="public" question="profile" points=1
def test_predicted_gradients_that_explode():
    """chi = 4 and four layers: each layer doubles the gradient."""
    mistakes = {
        "these are mean squares; the root is asked for": [64.0, 16.0, 4.0, 1.0],
        "from the first layer to the last: the last one has 1": [1.0, 2.0, 4.0, 8.0],
        "the last hidden layer itself has 1": [16.0, 8.0, 4.0, 2.0],
    }
    expect("predicted_gradients(4, 4)", predicted_gradients(4, 4), [8.0, 4.0, 2.0, 1.0], mistakes=mistakes)


# %% part="hidden" question="profile" points=1
def test_predicted_gradients_that_vanish():
    """chi = 0.81 and eleven layers, and chi = 1."""
    expect("predicted_gradients(0.81, 11)", predicted_gradients(0.81, 11), 0.9 ** np.arange(10, -1, -1))
    expect("predicted_gradients(1.0, 30)", predicted_gradients(1.0, 30), np.ones(30))


# %% [markdown] question="measure"
# ## Question 4: measure its gradients (4 points)
#
# Write `measured_gradients(model, x, y)`: the same list, measured. `flow.measure(model, x, y)` makes one pass, forward
# and backward, with the cross-entropy. It returns a report with a record for each layer, in their order, which has
# `kind` (the name of its class), `grad_mean`, `grad_std` and more: print it, and read about its columns in
# docs/flow.md. Take the hidden `Linear` layers, whose outputs are the sums. The mean of a gradient is not always 0, so
# the root mean square is more than `grad_std`.

# %% [markdown] question="measure" lang="zh"
# ## 第 4 题：测量它的梯度（4 分）
#
# 写出 `measured_gradients(model, x, y)`：同样的列表，由测量得来。`flow.measure(model, x, y)` 用交叉熵做一次前向传播和一次反向传播，返回一份报告，其中按次序有每一层的记录，记录里有 `kind`（类的名字）、`grad_mean`、`grad_std` 等等：把它打印出来看看，各列的含义见 docs/flow.zh-CN.md。取各个隐藏的 `Linear` 层，它们的输出就是加权和。梯度的平均值不一定是 0，所以均方根比 `grad_std` 大。


# %% part="solution" question="measure"
def measured_gradients(model, x, y):
    """The gradient's root mean square at each hidden layer's sums, relative to that of the last; measured."""
    # BEGIN SOLUTION
    records = [record for record in flow.measure(model, x, y) if record.kind == "Linear"][:-1]
    sizes = np.array([np.hypot(record.grad_mean, record.grad_std) for record in records])
    return list(sizes / sizes[-1])
    # END SOLUTION


# %% part="public" question="measure" points=2
def test_measured_gradients_of_a_chain():
    """Four linear hidden layers that each double the gradient."""
    double = 2 * np.eye(3, dtype=np.float32)
    hidden = [layer for _ in range(4) for layer in (nn.Linear(3, 3, weight_init=double), nn.Identity())]
    model = nn.Sequential(*hidden, nn.Linear(3, 3, weight_init=np.array([[3.0, 1, 0], [0, 1, 0], [0, 0, 1]], np.float32)))
    given = measured_gradients(model, np.eye(3, dtype=np.float32), np.array([0, 1, 1]))
    if isinstance(given, (list, tuple, np.ndarray)):
        assert len(given) != 5, (
            "measured_gradients has 5 numbers for 4 hidden layers: the last Linear layer is not a hidden one"
        )
    mistakes = {"from the first layer to the last": [1.0, 2.0, 4.0, 8.0], "these are mean squares": [64.0, 16.0, 4.0, 1.0]}
    expect("measured_gradients of layers that double it", given, [8.0, 4.0, 2.0, 1.0], 1e-4, mistakes)


# %% part="hidden" question="measure" points=2
def test_measured_gradients_of_a_random_network():
    """Four tanh layers with weights of your own, whose gradients have a mean: compared with back-propagation in NumPy."""
    rng = Generator(7).stream(str(STUDENT) + " measured")
    sizes = [6, 8, 8, 8, 8, 4]
    weights = [rng.normal((m, n), 0.3, 0.5) for n, m in pairwise(sizes)]
    x, y = rng.normal((20, 6)), rng.integers(4, size=20)
    layers = []
    for w in weights:
        layers += [nn.Linear(w.shape[1], w.shape[0], weight_init=w), nn.Tanh()]
    outputs = [x]
    for w in weights[:-1]:
        outputs.append(np.tanh(outputs[-1] @ w.T))
    scores = outputs[-1] @ weights[-1].T
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    dy, sums, only_std, behind = (p - np.eye(4)[y]) / len(x), [], [], []
    for w, h in zip(weights[:0:-1], outputs[:0:-1], strict=True):
        behind.insert(0, np.sqrt(np.mean((dy @ w) ** 2)))  # behind the activation
        dy = (dy @ w) * (1 - h * h)
        sums.insert(0, np.sqrt(np.mean(dy**2)))
        only_std.insert(0, dy.std())
    mistakes = {
        "grad_std is taken about the mean; the root mean square has both": np.array(only_std) / only_std[-1],
        "these are the gradients behind the activations; take the Linear layers": np.array(behind) / behind[-1],
        "these are mean squares; the root is asked for": (np.array(sums) / sums[-1]) ** 2,
    }
    given = measured_gradients(nn.Sequential(*layers[:-1]), x, y)
    expect("measured_gradients of a network of your own", given, np.array(sums) / sums[-1], 1e-4, mistakes)  # of float32


# %% [markdown] question="report"
# ## Question 5: the report (8 points)
#
# `my_case()` gives a depth between 30 and 50 and a σb: those are your networks, of tanh, 100 units wide. Let σc be
# `theory.critical_sigma_w(F.tanh, sigma_b)`. Your three networks have σw² = σc² / 2, σc² and 2 σc².
#
# 1. **Predict.** For each of the three: q, χ, ξ and the phase; by which factor the gradient changes from the last
#    hidden layer to the first; and whether the network will learn to read digits, and why (compare 6 ξ with the depth).
#    Do this before you run anything of 2.
# 2. **Measure.** Run this file (in a notebook, its last cell of code), which takes about a minute. On the left are gradients, yours
#    measured (points) and predicted (lines). On the right is the accuracy for many depths and variances, with 6 ξ drawn
#    over it. Measure whatever else you need, with at least three seeds. State how far the seeds are from each other,
#    and the accuracies of your networks, or of the map.
# 3. **Explain.** Where do measurement and prediction differ, by how much, and why? Is a difference chance, which other
#    seeds show, or does the theory leave something out? Name what it leaves out, and support it with one more
#    measurement.
# 4. **Go on.** Change one thing (ReLU with weights of variance 2 / n, orthogonal weights, batch norm, residual blocks,
#    the width), predict what happens, and why, and measure it.
#
# Write one to two pages, with the numbers in tables, which must not contradict the text. A prediction that turns out
# wrong costs nothing if you say why it was.

# %% [markdown] question="report" lang="zh"
# ## 第 5 题：报告（8 分）
#
# `my_case()` 给出一个 30 到 50 之间的深度和一个 σb，这就是你的网络：tanh，宽 100。记 σc 为 `theory.critical_sigma_w(F.tanh, sigma_b)`。你的三个网络的 σw² 分别是 σc² / 2、σc² 和 2 σc²。
#
# 1. **预测。** 对三个网络各写出：q、χ、ξ，处于哪一相；梯度从最后一个隐藏层到第一个隐藏层改变多少倍；网络能不能学会识别数字，为什么（把 6 ξ 与深度比较）。请在运行第 2 步的任何东西之前完成。
# 2. **测量。** 运行这个文件（在笔记本中运行最后一个代码单元格），大约需要一分钟。左图是梯度：实测的是点，预测的是线。右图是各种深度和方差下的准确率，上面画着 6 ξ。还需要什么，就自己去测量，至少用三个随机种子。写明不同种子的结果相差多少，以及你的网络（或图中各处）的准确率。
# 3. **解释。** 测量与预测在哪里不同，相差多少，为什么？这个差别是偶然的（换随机种子就看得出来），还是理论忽略了什么？说出它忽略了什么，并用一项新的测量来支持你的说法。
# 4. **更进一步。** 改变一样东西（ReLU 与方差为 2 / n 的权重、正交权重、批归一化、残差块、宽度），先预测会怎样、为什么，再测量。
#
# 写一到两页，数据列成表，表格与正文不得互相矛盾。预测错了不扣分，只要说明为什么错。


# %% part="given" question="report"
def accuracy(depth, variance, sigma_b, seed=0):
    """The accuracy on the test digits, after five epochs, of a tanh network 100 wide with weights of this variance times 1 / n."""
    model = deep(depth, 100, nn.Tanh, variance**0.5, sigma_b, seed)
    optimizer = optim.SGD(model.parameters(), lr=0.02)
    *_, last = training.epochs(model, data.digits(), optimizer, 5, rng=seed)
    return last.accuracy


def draw():
    import matplotlib.pyplot as plt

    depth, sigma_b = my_case()
    critical = theory.critical_sigma_w(F.tanh, sigma_b)
    digits = data.digits()
    x, y = digits.x_train[:256], digits.y_train[:256]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for times in (0.5, 1.0, 2.0):
        sigma_w = critical * times**0.5
        _, chi, xi, phase = predict(F.tanh, sigma_w, sigma_b)
        print(f"sigma_w² = {sigma_w**2:.3f}: chi = {chi:.4f}, xi = {xi:.1f}, {phase}")
        (line,) = left.semilogy(range(1, depth + 1), predicted_gradients(chi, depth), label=f"{phase}: chi = {chi:.2f}")
        for seed in range(3):
            points = measured_gradients(deep(depth, 100, nn.Tanh, sigma_w, sigma_b, seed), x, y)
            left.semilogy(range(1, depth + 1), points, ".", color=line.get_color())
    left.set(title="Gradient, relative to the last hidden layer's", xlabel="hidden layer")
    left.legend()
    depths, variances = [5, 10, 20, 30, 40, 50], critical**2 * np.array([0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0])
    table = [[accuracy(deep_, variance, sigma_b) for variance in variances] for deep_ in depths]
    mesh = right.pcolormesh(variances, depths, table, cmap="viridis", vmin=0.0, vmax=1.0)
    fine = np.linspace(variances[0], variances[-1], 100)
    limit = [6 * predict(F.tanh, variance**0.5, sigma_b)[2] for variance in fine]
    right.plot(fine, np.minimum(limit, 1e3), "w--", label="6 xi")
    right.set(title="Accuracy after five epochs", xlabel="variance of the weights, times n", ylabel="depth", ylim=(2.5, 55))
    right.legend()
    figure.colorbar(mesh, ax=right)
    figure.savefig("hw8.png", dpi=110)
    plt.show()


if __name__ == "__main__":
    draw()

# %% [markdown] part="report" question="report" points=8
# **1. Prediction.** (before any measurement)
#
# | σw² | q | χ | ξ | phase | gradient, first over last hidden layer | will it learn, and why? |
# |---|---|---|---|---|---|---|
# | | | | | | | |
#
# **2. Measurement.** (what you ran, how often, and what came out)
#
# **3. Explanation.** (where they differ, by how much, and why; the measurement that supports it)
#
# **4. One thing changed.** (the prediction, then the measurement)

# %% [markdown] part="report" question="report" lang="zh"
# **1. 预测。**（在任何测量之前）
#
# | σw² | q | χ | ξ | 哪一相 | 梯度，第一个与最后一个隐藏层之比 | 能否学会，为什么？ |
# |---|---|---|---|---|---|---|
# | | | | | | | |
#
# **2. 测量。**（做了什么，做了几次，结果怎样）
#
# **3. 解释。**（哪里不同，相差多少，为什么；支持你的解释的测量）
#
# **4. 改变一样东西。**（先预测，再测量）

# %% [markdown] part="rubric" question="report"
# | points | for what |
# |---|---|
# | 2 | **Prediction.** The four numbers (q, χ, ξ and the gradient's factor) for each of the three networks, with the right phases (1). Whether each will learn, with 6 ξ against the depth as the reason (1). |
# | 2 | **Measurement.** Measured gradients beside the predicted ones, with at least three seeds, and the spread between them (1). The accuracies of the three networks, or of the map, stated (1). |
# | 3 | **Explanation.** At least one difference stated as a number (1). A cause that can produce it, in the right direction (1). A further measurement that could have refuted it: other seeds, another width, the first layers left out (1). |
# | 1 | **One thing changed.** A prediction with its reason, and then the measurement, whether it came true or not. |
#
# What a good report finds. The points follow the lines, over two to four powers of ten in the ordered phase. The slopes
# agree to one or two percent a layer, which adds up to a factor of up to 2 over thirty layers. At the first layer
# networks of other seeds stray from each other by 10 to 40 percent, least in chaos, and the more the farther a layer is
# from the last: the width is finite, and each layer adds its chance to that of the others. (With a width of 400 the
# spread is much smaller. In chaos what the first layer has too much of, about a quarter, stays.) The first layer has 64
# inputs, which are not at the fixed point. In the ordered phase the border of learning follows 6 ξ. In chaos networks
# fail before they are that deep, and on the critical line, where ξ is infinite, depth 50 learns slowly: five epochs at
# one learning rate are a limit, too. A network that has χ = 1 keeps the size of the gradient, but not all directions of
# it.
#
# A wrong prediction with a good reason counts in full, and a right one that was made afterwards does not. Take a point
# off where the tables and the text contradict each other.

# %% [markdown] part="rubric" question="report" lang="zh"
# | 分数 | 给分依据 |
# |---|---|
# | 2 | **预测。** 三个网络各有四个数（q、χ、ξ 和梯度改变的倍数），且各处于哪一相判断正确（1）。以 6 ξ 与深度比较为依据，判断各自能否学会（1）。 |
# | 2 | **测量。** 实测的梯度与预测并列，至少三个随机种子，并给出它们之间的离散程度（1）。写明三个网络（或图中各处）的准确率（1）。 |
# | 3 | **解释。** 至少一处差别用数字写出（1）。给出能够造成它、而且方向正确的原因（1）。再做一项有可能推翻这个原因的测量：换随机种子、换宽度、去掉最前面几层（1）。 |
# | 1 | **改变一样东西。** 先写预测和理由，再写测量结果，不论应验与否。 |
#
# 好的报告会发现以下几点。点跟随着线，在有序相中跨越两到四个数量级。斜率与预测相差每层百分之一二，三十层累积起来，最多大约是 2 倍。换随机种子，各个网络之间在第一层相差百分之十到四十，混沌相中最小；离最后一层越远，差得越多：宽度有限，每一层都在其他层的偶然偏差上再加上自己的。（宽度取 400，这种差别小得多；混沌相中第一层多出的约四分之一仍然存在。）第一层有 64 个输入，而且它们不在不动点。在有序相中，能否学会的边界与 6 ξ 一致；在混沌相中，网络还没有那么深就学不会了；在临界线上 ξ 为无穷大，但 50 层的网络学得很慢：只有五轮、只有一个学习率，这也是限制。χ = 1 的网络保持梯度的大小，但并不保持它的所有方向。
#
# 理由充分而结果错误的预测得满分，事后补写的正确预测不得分。表格与正文互相矛盾的，扣一分。
