# %% [markdown]
# # 5. Xavier and He, derived and coded
#
# Random weights break the symmetry. This assignment is about how large they should be. You will derive what one layer
# does to the size of the signal and of the gradient, choose the weights so that neither shrinks nor grows, and code the
# two initializers that everybody uses. At the end you predict a network of thirty layers, and see whether it does what
# you said.
#
# ## One layer, forward
#
# A layer without bias computes y = W x, with W of shape (fan_out, fan_in): each unit sums over fan_in inputs, and each
# input feeds fan_out units. Let the weights be independent of each other and of x, with mean 0 and variance v. A unit's
# sum is y = w_1 x_1 + ... + w_n x_n with n = fan_in. Its mean is 0, and its mean square is
#
#     E[y²] = sum over i and k of  E[w_i w_k] E[x_i x_k] = n v E[x²]
#
# since E[w_i w_k] is 0 where i and k differ, and v where they are equal. So a layer multiplies the mean square of the
# signal by fan_in v. It is the mean square of x that counts, not its variance: behind a ReLU the mean of x is not 0.
#
# ## One layer, backward
#
# With dy for the gradient of the loss by y, the chain rule says dx = Wᵀ dy: each dx_i sums over the fan_out units that
# x_i feeds. If dy is independent of W (in a wide network it nearly is), the same calculation gives
#
#     E[dx²] = fan_out v E[dy²]
#
# ## The activation
#
# Between two layers stands x = f(y). Call `kept` the fraction of the mean square that f keeps: E[f(y)²] = kept E[y²].
# Without an activation it is 1, and with tanh nearly 1 as long as y is small. ReLU sets the negative half of y to zero,
# and y is symmetric about 0, so that exactly half of the mean square is left: kept = 1/2. On the way back dy = f'(y)
# dx. Here f'(y) is 0 for one half of the y and 1 for the other, so E[dy²] = 1/2 E[dx²], the same fraction.
#
# ## Many layers
#
# Let q_l be the mean square of the sums y of layer l, and g_l that of their gradient. Then
#
#     q_l     = fan_in_l  v_l kept q_(l-1)
#     g_(l-1) = fan_out_l v_l kept g_l
#
# If the factor is the same in L layers, the whole network multiplies by its power L. A factor of 1/2 leaves 1e-9 of the
# mean square after thirty layers, and a factor of 2 makes it 1e9 times as large. Only a factor of 1 is of use, and that
# determines v.
#
# ## Xavier's and He's variance
#
# Without an activation the signal asks for v = 1 / fan_in, and the gradient for v = 1 / fan_out. Where a layer has as
# many inputs as units the two agree. In between, Xavier Glorot and Bengio (2010) take the compromise v = 2 / (fan_in +
# fan_out). He, Zhang, Ren and Sun (2015) have ReLU, and keep the signal: fan_in v 1/2 = 1, so that v = 2 / fan_in. The
# gradient is then multiplied by fan_out / fan_in in each layer. In the product over all layers every width but the
# first and the last cancels, so it is enough to keep one of the two.
#
# ## Which distribution?
#
# Nothing above depends on more than the variance. For a normal distribution you give its standard deviation, √v. A
# uniform one on [-b, b) has the density 1 / (2b), so its variance is
#
#     (1 / (2b)) · (integral of w² from -b to b) = (1 / (2b)) · (2 b³ / 3) = b² / 3
#
# ## What is asked
#
# | question | | points |
# |---|---|---|
# | 1 | one layer | 4 |
# | 2 | Xavier's initializer | 4 |
# | 3 | He's initializer | 4 |
# | 4 | an initializer that layers and theory understand | 4 |
# | 5 | thirty layers, predicted, and the picture | 4 |
#
# It takes about three hours, one of them with paper and pencil. The tests that you see give 10 of the 20 points. The
# hidden ones check everything that the questions ask, also what no visible test touches (leaky ReLUs, moments, the
# gradient).

# %% [markdown] lang="zh"
# # 5. 推导并实现 Xavier 初始化与 He 初始化
#
# 随机权重打破了对称性。这次作业要回答的是：随机权重应该多大？你要推导一层网络怎样改变信号和梯度的大小，选取权重的方差，使两者既不缩小也不放大，然后写出最常用的两种初始化方法。最后，你要预测一个三十层的网络，看看它是否真的像你所说的那样。
#
# ## 一层的前向传播
#
# 不带偏置的一层计算 y = W x，W 的形状是 (fan_out, fan_in)：每个神经元对 fan_in 个输入求和，每个输入送给 fan_out 个神经元。设各个权重相互独立，也与 x 独立，均值为 0，方差为 v。一个神经元的加权和是 y = w_1 x_1 + ... + w_n x_n，其中 n = fan_in。它的均值是 0，均方值是
#
#     E[y²] = 对 i 和 k 求和  E[w_i w_k] E[x_i x_k] = n v E[x²]
#
# 因为 i 与 k 不同时 E[w_i w_k] 为 0，相同时为 v。所以，一层把信号的均方值乘以 fan_in v。请注意，起作用的是 x 的均方值，而不是方差：经过 ReLU 之后，x 的均值不为 0。
#
# ## 一层的反向传播
#
# 把损失对 y 的梯度记作 dy。由链式法则，dx = Wᵀ dy：每个 dx_i 对 x_i 送往的 fan_out 个神经元求和。如果 dy 与 W 独立（在宽的网络中近似成立），同样的计算给出
#
#     E[dx²] = fan_out v E[dy²]
#
# ## 激活函数
#
# 两层之间是 x = f(y)。把 f 所保留的均方值的比例记作 `kept`：E[f(y)²] = kept E[y²]。没有激活函数时它等于 1；对 tanh，只要 y 很小，它就接近 1。ReLU 把 y 的负半边变成零，而 y 的分布关于 0 对称，所以均方值正好剩下一半：kept = 1/2。往回走时 dy = f'(y) dx。这里 f'(y) 对一半的 y 是 0，对另一半是 1，所以 E[dy²] = 1/2 E[dx²]，比例相同。
#
# ## 许多层
#
# 设 q_l 是第 l 层的加权和 y 的均方值，g_l 是它们的梯度的均方值，则
#
#     q_l     = fan_in_l  v_l kept q_(l-1)
#     g_(l-1) = fan_out_l v_l kept g_l
#
# 如果 L 层的系数都相同，整个网络就把均方值乘以它的 L 次方。系数为 1/2 时，三十层之后均方值只剩下 1e-9；系数为 2 时，它放大到 1e9 倍。只有系数等于 1 才行得通，v 就由此确定。
#
# ## Xavier 与 He 的方差
#
# 没有激活函数时，信号要求 v = 1 / fan_in，梯度要求 v = 1 / fan_out。一层的输入与神经元一样多时，两者一致；不一样多时，Xavier Glorot 与 Bengio（2010）取了折中：v = 2 / (fan_in + fan_out)。He、Zhang、Ren 与 Sun（2015）考虑 ReLU，并保持信号的大小：fan_in v 1/2 = 1，所以 v = 2 / fan_in。这时梯度在每一层乘以 fan_out / fan_in；把各层乘起来，除了第一个和最后一个宽度，其余的全都约去，所以保持两者之一就够了。
#
# ## 用哪种分布？
#
# 上面的推导只用到方差。正态分布由标准差 √v 给出。[-b, b) 上的均匀分布的密度是 1 / (2b)，所以它的方差是
#
#     (1 / (2b)) · (w² 从 -b 到 b 的积分) = (1 / (2b)) · (2 b³ / 3) = b² / 3
#
# ## 题目
#
# | 题号 | | 分数 |
# |---|---|---|
# | 1 | 一层网络 | 4 |
# | 2 | Xavier 初始化 | 4 |
# | 3 | He 初始化 | 4 |
# | 4 | 层和理论都能理解的初始化方法 | 4 |
# | 5 | 预测三十层网络，以及画图 | 4 |
#
# 大约需要三小时，其中一小时用纸笔推导。你能看到的测试占 20 分中的 10 分；隐藏的测试检验题目要求的一切，包括可见的测试没有涉及的内容（带泄漏的 ReLU、矩、梯度）。测试信息和代码注释为英文。

# %% part="setup"
from itertools import pairwise

import numpy as np

from minidl import data, flow, init, nn
from minidl.random import Generator

STUDENT = ""  # your id, if your instructor gave each student numbers of their own

# %% part="tests"
import contextlib
import functools
from unittest import mock

from course.expect import expect


@contextlib.contextmanager
def _by_hand():
    """Within this, minidl's own initializers neither draw nor state moments: the student's are asked for."""

    def refused(*args):
        raise AssertionError("minidl's own initializers do not count: derive the variance, and draw from rng yourself")

    def refused_gain(*args, **kwargs):
        raise AssertionError("minidl's own gains do not count: derive what the activation keeps")

    def refused_generator(*args, **kwargs):
        raise AssertionError("np.random's generators do not count: draw each number from rng")

    kinds = {kind for kind in vars(init).values() if isinstance(kind, type) and issubclass(kind, init.Initializer)}
    with contextlib.ExitStack() as stack:
        for kind in kinds - {init.Initializer, init.Custom}:  # a Custom draws with the student's function
            for method in ("sample", "moments"):
                stack.enter_context(mock.patch.object(kind, method, refused))
        for name in ("gain", "calculate_gain"):
            stack.enter_context(mock.patch.object(init, name, refused_gain))
        stack.enter_context(mock.patch.object(np.random, "default_rng", refused_generator))
        yield


def _checked(initializer, **expected):
    """What init.check says of the student's initializer."""
    with _by_hand():
        return init.check(initializer, **expected)


def _all_drawn(what, weights):
    """Each number is drawn by itself. Of 80,000 that a Generator draws, one in a hundred at most is there already."""
    distinct = len(np.unique(np.abs(weights)))
    assert distinct > 0.75 * weights.size, (
        f"of the {weights.size} numbers of {what} only {distinct} differ in their absolute value: draw each of them, and "
        "neither round nor copy"
    )


def _normal(what, weights):
    """Of n normal numbers, the mean of w^4 by that of w^2, squared, is 3, but for sqrt(24 / n): 0.017 for 80,000."""
    _all_drawn(what, weights)
    fourth = np.mean(weights**4) / np.mean(weights**2) ** 2
    assert abs(fourth - 3) < 0.15, (
        f"{what} is not normal: the mean of w^4 is {fourth:.2f} times that of w^2, squared, where normal numbers have 3, and "
        "uniform ones 1.8; draw with rng.normal, and leave what it gives"
    )
    # All of 80,000 are within 3.5 standard deviations but for one case in e^37.
    farthest = np.abs(weights).max() / np.sqrt(np.mean(weights**2))
    assert farthest > 3.5, f"{what} is cut at {farthest:.2f} standard deviations: draw with rng.normal, and leave what it gives"


def _named(a, mistakes):
    """Says which mistake it is if he_normal's variance, by 2 / ((1 + a²) fan_in), is one of these."""
    with _by_hand():
        try:
            weights = np.asarray(he_normal((400, 400), Generator(0), a=a), np.float64)
        except (TypeError, ValueError):
            return  # of which init.check says more
    if weights.shape == (400, 400):
        ratio = np.mean(weights**2) * 400 * (1 + a * a) / 2
        for sentence, wrong in mistakes.items():  # of 160,000 numbers the ratio is right to 0.0035
            assert not abs(ratio / wrong - 1) < 0.018, (
                f"the variance is {wrong:g} times what it should be for slope a={a:g}: {sentence}"
            )


def _both(found):
    """The two lists that sizes returned."""
    assert isinstance(found, (tuple, list, np.ndarray)), f"sizes returned {found!r}, expected two lists"
    assert len(found) == 2, f"sizes returned {len(found)} things, expected two lists: of the signal and of the gradient"
    return found


def _one_for_each_layer(which, found, layers):
    """The length of a list of sizes."""
    n = np.size(found)
    assert n == layers, (
        f"the {which} list of sizes has {n} number{'s' * (n != 1)} for {layers} layers: it needs one for each layer"
    )


# %% [markdown] question="factors"
# ## Question 1: one layer (4 points)
#
# Write `factors(shape, variance, kept)`: by how much one layer, together with an activation that keeps the fraction
# `kept`, multiplies the mean square of the signal on the way forward and that of the gradient on the way back. `shape`
# is the shape of the weights, (fan_out, fan_in), as everywhere in minidl. Return the pair (forward, backward).

# %% [markdown] question="factors" lang="zh"
# ## 第 1 题：一层网络（4 分）
#
# 写出 `factors(shape, variance, kept)`：一层网络连同保留比例为 `kept` 的激活函数，前向传播时把信号的均方值乘以多少，反向传播时把梯度的均方值乘以多少。`shape` 是权重的形状 (fan_out, fan_in)，与 minidl 中各处一致。返回一对数 (forward, backward)。


# %% part="solution" question="factors"
def factors(shape, variance, kept):
    """What a layer multiplies the mean squares of the signal and of the gradient by: (forward, backward)."""
    # BEGIN SOLUTION
    fan_out, fan_in = shape
    return fan_in * variance * kept, fan_out * variance * kept
    # END SOLUTION


# %% part="public" question="factors" points=2
def test_factors_of_a_layer_without_activation():
    """Weights of shape (100, 400) and variance 1/400, without an activation."""
    given = factors((100, 400), 1 / 400, kept=1)
    mistakes = {
        "forward and backward are swapped; a shape is (fan_out, fan_in)": [0.25, 1.0],
        "the factors of the mean squares are asked for, not those of their roots": [1.0, 0.5],
    }
    expect("factors((100, 400), 1 / 400, kept=1)", given, [1.0, 0.25], mistakes=mistakes)


# %% part="hidden" question="factors" points=2
def test_factors_of_a_layer_with_an_activation():
    """Weights of shape (200, 100) and variance 0.01, with ReLU, and with an activation that keeps three quarters."""
    expect("factors((200, 100), 0.01, kept=1/2)", factors((200, 100), 0.01, kept=1 / 2), [0.5, 1.0])
    expect("factors((50, 300), 0.01, kept=3/4)", factors((50, 300), 0.01, kept=3 / 4), [2.25, 0.375])


# %% [markdown] question="xavier"
# ## Question 2: Xavier's initializer (4 points)
#
# Write `xavier_uniform(shape, rng)`, which draws weights of this shape from a uniform distribution on [-b, b), with b
# such that the variance is Xavier's, and returns them as an array. Derive b first. `rng` is a `minidl.random.Generator`:
# `rng.uniform(shape, low, high)` and `rng.normal(shape, mean, std)` return arrays. Draw each weight from it and from
# nothing else, so that a seed gives the same network everywhere. minidl's own initializers and gains do not count, here
# and in the next two questions.
#
# `init.check` says what is wrong with an initializer. Tell it the variance that you derived, as a function of the fans:
#
# ```python
# print(init.check(xavier_uniform, variance=lambda fan_in, fan_out: ...))
# ```

# %% [markdown] question="xavier" lang="zh"
# ## 第 2 题：Xavier 初始化（4 分）
#
# 写出 `xavier_uniform(shape, rng)`，从 [-b, b) 上的均匀分布中抽取这个形状的权重，b 要使方差等于 Xavier 的方差，并返回这个数组。请先推导 b。`rng` 是一个 `minidl.random.Generator`：`rng.uniform(shape, low, high)` 和 `rng.normal(shape, mean, std)` 都返回数组。每个权重都从它抽取，不用别的来源，这样同一个随机种子在任何地方都给出同样的网络。这一题和后面两题都不能用 minidl 自带的初始化方法和增益（gain）代替。
#
# `init.check` 会指出一个初始化方法错在哪里。请把你推导出的方差写成扇入和扇出的函数告诉它：
#
# ```python
# print(init.check(xavier_uniform, variance=lambda fan_in, fan_out: ...))
# ```


# %% part="solution" question="xavier"
def xavier_uniform(shape, rng):
    """Weights of this shape (fan_out, fan_in), uniform on [-b, b), with Xavier's variance."""
    # BEGIN SOLUTION
    fan_out, fan_in = shape
    b = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(shape, -b, b)
    # END SOLUTION


# %% part="public" question="xavier" points=1
def test_xavier_uniform_draws_weights():
    """The array has the shape that was asked for, mean 0 and no equal units, and all of it is drawn from rng."""
    report = _checked(xavier_uniform)
    assert report, str(report)


# %% part="public" question="xavier" points=1
def test_xavier_uniform_has_its_bound():
    """For shape (200, 400) the largest weight is just below 0.1, and the smallest just above -0.1."""
    with _by_hand():
        weights = xavier_uniform((200, 400), Generator(0))
    assert isinstance(weights, np.ndarray), f"xavier_uniform returned a {type(weights).__name__}, expected an array"
    # Of 80000 weights the largest is within 1e-4 of the bound but for one case in e^40.
    lowest, highest = weights.min(), weights.max()
    assert highest < 3 * weights.std(), (
        f"the largest weight of xavier_uniform((200, 400), rng) is {highest:.3g}, and a uniform distribution ends at b: is it normal?"
    )
    root = {"this is b², which is three times the variance: where is the root?": [-0.01, 0.01]}
    expect("the range of xavier_uniform((200, 400), rng)", [lowest, highest], [-0.1, 0.1], 1e-3, root)
    _all_drawn("xavier_uniform((200, 400), rng)", weights)


# %% part="hidden" question="xavier" points=2
def test_xavier_uniform_has_its_variance():
    """The variance is Xavier's, for wide, tall and square shapes."""
    report = _checked(xavier_uniform, variance=lambda fan_in, fan_out: 2 / (fan_in + fan_out))
    assert report, str(report)


# %% [markdown] question="he"
# ## Question 3: He's initializer (4 points)
#
# A leaky ReLU is f(y) = y for positive y, and a y for negative y, with a fixed slope a. ReLU is the case a = 0. Derive
# `kept` for any a, and from it the variance that keeps the size of the signal. Then write
# `he_normal(shape, rng, a=0.0)`, which draws from the normal distribution of this variance and mean 0.

# %% [markdown] question="he" lang="zh"
# ## 第 3 题：He 初始化（4 分）
#
# 带泄漏的 ReLU（leaky ReLU）是 f(y) = y（y 为正）和 f(y) = a y（y 为负），斜率 a 是固定的数；a = 0 时就是 ReLU。对任意的 a 推导 `kept`，再由它求出使信号大小不变的方差。然后写出 `he_normal(shape, rng, a=0.0)`，从均值为 0、方差为此值的正态分布中抽取权重。


# %% part="solution" question="he"
def he_normal(shape, rng, a=0.0):
    """Normal weights of this shape (fan_out, fan_in), which keep the size of the signal through leaky ReLUs of slope a."""
    # BEGIN SOLUTION
    _, n = shape
    return rng.normal(shape, 0.0, np.sqrt(2 / ((1 + a**2) * n)))
    # END SOLUTION


# %% part="public" question="he" points=2
def test_he_normal_has_its_variance():
    """For ReLU the variance is He's, for wide, tall and square shapes."""
    _named(0.0, {"kept is a factor of the variance here, and belongs under it: fan_in v kept = 1": 0.25})
    report = _checked(he_normal, variance=lambda fan_in, fan_out: 2 / fan_in)
    assert report, str(report)


# %% part="hidden" question="he" points=2
def test_he_normal_for_a_leaky_relu():
    """For slopes of 1/2, 1 and -1 (the absolute value) the signal keeps its size, too."""
    for a, scale in ((0.5, 1.6), (1.0, 1.0), (-1.0, 1.0)):
        leaky = functools.partial(he_normal, a=a)
        leaky.__qualname__ = f"he_normal with a={a:g}"
        kept = (1 + a * a) / 2
        wrong = {
            "a is not used": 2 / scale,
            "kept is not used: fan_in v kept = 1": kept,
            "the root belongs over 1 + a², too": 1 / (1 + a * a),
            "where y is negative, a y has the mean square a² E[y²]": (1 + a * a) / (1 + a) if a > 0 else 1.0,
            "kept is a factor of the variance here, and belongs under it: fan_in v kept = 1": kept**2,
        }
        _named(a, {sentence: ratio for sentence, ratio in wrong.items() if abs(ratio - 1) > 0.01})
        report = _checked(leaky, variance=lambda fan_in, fan_out, s=scale: s / fan_in)
        assert report, f"for slope a={a:g} the variance should be {scale:g} / fan_in. {report}"
    with _by_hand():
        _normal("what he_normal draws", he_normal((200, 400), Generator(0)))


# %% [markdown] question="scaling"
# ## Question 4: an initializer that layers and theory understand (4 points)
#
# A function sees only the shape. A class is told more: the fans that the layer states (those of a convolution are not
# its first two lengths), and the dtype. In return it states its moments, from which `flow.predict` computes what a
# network will do. Complete `Scaling`: normal weights of mean 0 and variance scale / n, where n is fan_in, fan_out or
# the mean of the two for the modes "fan_in", "fan_out" and "fan_avg". So `Scaling(2.0)` is He's initializer, and
# `Scaling(1.0, "fan_avg")` is Xavier's with a normal distribution. `super().__init__` keeps both as `self.scale` and
# `self.mode`. `fans` is the pair (fan_in, fan_out), and `rng.normal(shape, mean, std, dtype)` takes a dtype, too. What
# `sample` returns has this dtype; a float64 number of NumPy's times a float32 array is a float64 array.

# %% [markdown] question="scaling" lang="zh"
# ## 第 4 题：层和理论都能理解的初始化方法（4 分）
#
# 函数只看得到形状，类得到的更多：层所给的扇入和扇出（卷积层的扇入和扇出并不是形状的前两个数），以及数据类型。反过来，它也给出自己的矩，`flow.predict` 由此算出网络会怎样。请完成 `Scaling`：均值为 0、方差为 scale / n 的正态权重；对于模式 "fan_in"、"fan_out" 和 "fan_avg"，n 分别是 fan_in、fan_out 和两者的平均。所以 `Scaling(2.0)` 就是 He 初始化，`Scaling(1.0, "fan_avg")` 就是正态分布的 Xavier 初始化。`super().__init__` 把两者保存为 `self.scale` 和 `self.mode`。`fans` 是一对数 (fan_in, fan_out)；`rng.normal(shape, mean, std, dtype)` 也接受数据类型。`sample` 返回的数组必须是所要求的数据类型；NumPy 的 float64 数乘以 float32 数组，得到的是 float64 数组。


# %% part="solution" question="scaling"
class Scaling(init.Initializer):
    """Normal weights of mean 0 and variance scale / n, where n is what `mode` says: "fan_in", "fan_out" or "fan_avg"."""

    def __init__(self, scale=1.0, mode="fan_in"):
        super().__init__(scale=scale, mode=mode)

    def std(self, fans):
        """The standard deviation of the weights of a layer with these (fan_in, fan_out)."""
        # BEGIN SOLUTION
        n = {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": (fans[0] + fans[1]) / 2}[self.mode]
        return np.sqrt(self.scale / n)
        # END SOLUTION

    def sample(self, shape, fans, rng, dtype):
        """An array of this shape and dtype."""
        # BEGIN SOLUTION
        return rng.normal(shape, 0.0, self.std(fans), dtype)
        # END SOLUTION

    def moments(self, shape, fans):
        """init.Moments(mean, standard deviation) of such an array."""
        # BEGIN SOLUTION
        return init.Moments(0.0, self.std(fans))
        # END SOLUTION


# %% part="public" question="scaling" points=2
def test_scaling_has_its_standard_deviation():
    """The standard deviation for fan_in = 500 and fan_out = 400, in all three modes; and for 5 and 4."""
    swapped, ignored = "`fans` is (fan_in, fan_out), unlike a shape", "it is that of fan_in: is self.mode asked for?"
    for mode, right, mistakes in (
        ("fan_in", 0.0632455532, {swapped: 0.0707106781}),
        ("fan_out", 0.0707106781, {ignored: 0.0632455532}),
        ("fan_avg", 1 / 15, {ignored: 0.0632455532, "n is the mean of the two, not their sum": 1 / 450**0.5}),
    ):
        mistakes["the root is missing: this is the variance"] = right**2
        expect(f'Scaling(2.0, "{mode}").std((500, 400))', Scaling(2.0, mode).std((500, 400)), right, mistakes=mistakes)
    cut = {"the mean of 5 and 4 is 4.5: // leaves out the half": 0.5**0.5}
    expect('Scaling(2.0, "fan_avg").std((5, 4))', Scaling(2.0, "fan_avg").std((5, 4)), 2 / 3, mistakes=cut)


# %% part="hidden" question="scaling" points=1
def test_scaling_draws_by_the_fans_that_the_layer_states():
    """What is drawn has the variance scale / n for any shape and fans, and the dtype that was asked for."""
    for mode, variance in (
        ("fan_in", lambda fan_in, fan_out: 2 / fan_in),
        ("fan_out", lambda fan_in, fan_out: 2 / fan_out),
        ("fan_avg", lambda fan_in, fan_out: 4 / (fan_in + fan_out)),
    ):
        report = _checked(Scaling(2.0, mode), variance=variance)
        assert report, str(report)
    with _by_hand():
        weights = Scaling(2.0).sample((200, 400), (400, 200), Generator(0), np.float64)
    _normal("what Scaling(2.0) draws", weights)


# %% part="hidden" question="scaling" points=1
def test_scaling_states_its_moments():
    """The moments, for a layer and for a convolution with fans of its own."""
    for shape, fans, right in (((400, 500), (500, 400), 0.0447213595), ((32, 16, 3, 3), (144, 288), 1 / 12)):
        what = f"Scaling(1.0).moments({shape}, {fans})"
        with _by_hand():
            moments = Scaling(1.0).moments(shape, fans)
        assert isinstance(moments, init.Moments), f"{what} is {moments!r}, expected init.Moments(mean, standard deviation)"
        expect(f"the mean and the standard deviation of {what}", moments[:2], [0.0, right])
    moments = Scaling(2.0, "fan_out").moments((400, 500), (500, 400))
    expect('the mean and the standard deviation of Scaling(2.0, "fan_out").moments(...)', moments[:2], [0.0, 0.0707106781])


# %% [markdown] question="sizes"
# ## Question 5: thirty layers, predicted (4 points)
#
# Write `sizes(widths, variance, kept)`. `widths` lists the number of inputs and then that of the units of each layer,
# so there are `len(widths) - 1` layers. `variance(fan_in, fan_out)` is a function that gives the variance of a layer's
# weights. An activation that keeps the fraction `kept` stands *between* two layers: there is none before the first and
# none behind the last. The inputs have mean square 1, and the gradient for the last layer's sums has mean square 1.
# Return two lists: the mean square of the sums of each layer, from the first to the last, and the mean square of the
# gradient for them, in the same order. Leave `widths` as it was.
#
# When it works, run this file, or the last cell. It draws thirty ReLU layers with Xavier's weights, with He's, and
# with weights of variance 3 / fan_in. The points are what one random network does, the lines are what you predicted. The
# picture shows root mean squares: by which factor does Xavier's line fall in each layer, and which factor do you get
# from your mean squares? What happens to the gradient under He's weights where the layers become narrower, behind layer
# 15, and at layer 30, whose 64 inputs meet 10 units? (One network of this width may be off by a factor of 2 or 3.)

# %% [markdown] question="sizes" lang="zh"
# ## 第 5 题：预测三十层网络（4 分）
#
# 写出 `sizes(widths, variance, kept)`。`widths` 先列出输入的个数，再列出各层神经元的个数，所以一共有 `len(widths) - 1` 层。`variance(fan_in, fan_out)` 是一个函数，给出一层权重的方差。保留比例为 `kept` 的激活函数位于两层**之间**：第一层之前没有，最后一层之后也没有。输入的均方值为 1，最后一层加权和的梯度的均方值为 1。返回两个列表：从第一层到最后一层，各层加权和的均方值；以及按同样次序排列的、它们的梯度的均方值。不要改变 `widths`。
#
# 写好之后，运行这个文件（或最后一个单元格）。它画出三十层的 ReLU 网络，分别用 Xavier 的权重、He 的权重和方差为 3 / fan_in 的权重。点是一个随机网络的实测值，线是你的预测。图中画的是均方根：Xavier 的线每层变为原来的几分之几？由你的均方值算出来是多少？第 15 层之后各层变窄，第 30 层更是从 64 个输入到 10 个神经元，He 的权重下的梯度在这两处有什么变化？（这样宽的单个网络，可能相差两三倍。）


# %% part="solution" question="sizes"
def sizes(widths, variance, kept):
    """The mean squares of the sums of each layer, and of the gradients for them: two lists, from the first to the last."""
    # BEGIN SOLUTION
    fans = pairwise(widths)
    layers = [factors((m, n), variance(n, m), kept if i else 1.0) for i, (n, m) in enumerate(fans)]
    signal = np.cumprod([forward for forward, _ in layers])
    gradient = np.cumprod([1.0] + [backward for _, backward in layers[:0:-1]])[::-1]
    return list(signal), list(gradient)
    # END SOLUTION


# %% part="public" question="sizes" points=2
def test_sizes_of_the_signal():
    """Three layers of Xavier's weights with ReLU between them: the forward pass."""
    first, _ = _both(sizes([400, 100, 400, 400], lambda fan_in, fan_out: 2 / (fan_in + fan_out), 1 / 2))
    mistakes = {
        "this is what is behind each activation, or there is one before layer 1; the sums y are asked for, and all of the "
        "inputs counts": [0.8, 0.16, 0.08],
        "the sums y are asked for, not what is left of them behind the activation": [0.8, 0.16, 0.16],
        "this is the list of the gradient; that of the signal comes first": [0.4, 0.5, 1.0],
        "mean squares are asked for, not their roots": [1.6**0.5, 0.32**0.5, 0.4],
        "the list is about the layers, so the first number is that of layer 1": [1.0, 1.6, 0.32],
    }
    _one_for_each_layer("first", first, 3)
    expect("the first list of sizes([400, 100, 400, 400], Xavier's, 1/2)", first, [1.6, 0.32, 0.16], mistakes=mistakes)


# %% part="hidden" question="sizes" points=1
def test_sizes_of_the_gradient():
    """Layers of Xavier's and of He's weights: the backward pass; another fraction kept; and widths is left as it was."""
    widths = [400, 100, 400, 400]
    _, second = _both(sizes(widths, lambda fan_in, fan_out: 2 / (fan_in + fan_out), 1 / 2))
    assert widths == [400, 100, 400, 400], f"sizes changed the list widths that it was given: it is {widths} now"
    _one_for_each_layer("second", second, 3)
    mistakes = {
        "it, too, goes from the first layer to the last, which has 1": [1.0, 0.5, 0.4],
        "on the way back it is fan_out that counts": [0.1, 0.5, 1.0],
        "mean squares are asked for, not their roots": [0.4**0.5, 0.5**0.5, 1.0],
    }
    expect("the second list of sizes([400, 100, 400, 400], Xavier's, 1/2)", second, [0.4, 0.5, 1.0], mistakes=mistakes)
    _, second = _both(sizes([64, 100, 50, 10], lambda fan_in, fan_out: 2 / fan_in, 1 / 2))
    order = {"this is the gradient if variance is called with the fans swapped: it takes fan_in first": [1.0, 1.0, 1.0]}
    expect("the second list of sizes([64, 100, 50, 10], He's, 1/2)", second, [0.1, 0.2, 1.0], mistakes=order)
    found = _both(sizes([100, 100, 100, 100], lambda fan_in, fan_out: 1 / fan_in, 3 / 4))
    expect("the lists of sizes([100, 100, 100, 100], 1 / fan_in, 3/4)", found, [[1, 0.75, 0.5625], [0.5625, 0.75, 1]])


# %% part="hidden" question="sizes" points=1
def test_sizes_of_a_network_of_your_own():
    """Five layers with widths of your own: 400 random networks, drawn and measured, agree with the prediction."""
    rng = Generator(7).stream(str(STUDENT))
    widths = [int(n) for n in rng.integers(60, 121, size=6)]

    def variance(fan_in, fan_out):
        return 3 / (fan_in + 2 * fan_out)

    x, slopes, weights, signal = rng.normal((400, widths[0], 1)), [], [], []
    for n, m in pairwise(widths):
        weights.append(rng.normal((400, m, n), std=variance(n, m) ** 0.5))
        y = weights[-1] @ x
        signal.append(np.mean(y**2))
        slopes.append(y > 0)
        x = np.maximum(y, 0)
    dy = rng.normal(y.shape)
    gradient = [np.mean(dy**2)]
    for w, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        dy = slope * (w.swapaxes(1, 2) @ dy)
        gradient.append(np.mean(dy**2))
    # One layer of n units spreads the mean square behind its ReLU by sqrt(5 / n), so four layers of 60 units or more by 0.65
    # at the most, and the mean of 400 networks by 0.033. Six times that is 0.2; a factor 2 is far beyond.
    found = _both(sizes(list(widths), variance, 1 / 2))
    for name, given, right in zip(("signal", "gradient"), found, (signal, gradient[::-1]), strict=True):
        assert np.shape(given) == (5,), f"the {name} of sizes({widths}, ...) has shape {np.shape(given)}, expected (5,)"
        ratios = np.divide(given, right)
        expect(f"the {name} of sizes({widths}, ...), divided by what 400 networks have,", ratios, np.ones(5), 0.2)


# %% part="given" question="sizes"
def draw():
    """Thirty ReLU layers: points are what a network does to the digits, lines are what `sizes` says."""
    import matplotlib.pyplot as plt

    widths = [64] + 15 * [128] + 14 * [64] + [10]
    digits = data.digits()
    x, y = digits.x_train[:256], digits.y_train[:256]
    x = x / np.sqrt(np.mean(x**2))
    kinds = {
        "Xavier's": (xavier_uniform, lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        "He's": (he_normal, lambda fan_in, fan_out: 2 / fan_in),
        "variance 3 / fan_in": (Scaling(3.0), lambda fan_in, fan_out: 3 / fan_in),
    }
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, (weight_init, variance) in kinds.items():
        layers = []
        for n, m in pairwise(widths):
            layers += [nn.Linear(n, m, weight_init=weight_init), nn.ReLU()]
        report = flow.measure(nn.Sequential(*layers[:-1]).initialize(rng=0), x, y)
        linear = [record for record in report if record.kind == "Linear"]
        measured = [np.hypot(r.out_mean, r.out_std) for r in linear], [r.grad_ratio for r in linear]
        for axes, points, predicted in zip(panels, measured, sizes(widths, variance, 1 / 2), strict=True):
            (line,) = axes.semilogy(range(1, len(widths)), np.sqrt(predicted), label=name)
            axes.semilogy(range(1, len(widths)), points, "o", markersize=4, color=line.get_color())
    panels[0].set(title="signal", xlabel="layer", ylabel="root mean square")
    panels[1].set(title="gradient, relative to the last layer's", xlabel="layer")
    panels[0].legend()
    figure.savefig("hw5.png", dpi=110)
    plt.show()


if __name__ == "__main__":
    draw()
