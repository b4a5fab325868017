# %% [markdown]
# # 6. Batch norm backward, and layer norm
#
# Batch norm (Ioffe and Szegedy, 2015) gives each feature mean 0 and variance 1 over the batch. Its forward pass is
# three lines. Its backward pass is the one that almost everybody gets wrong at first, because every output depends on
# every input of the batch, along three paths. You will derive it, code it as one operation, add the running statistics
# that a layer needs in evaluation, and turn it around for layer norm. At the end you see what the two do to a network
# whose weights have the wrong size.
#
# ## Forward
#
# Take one feature by itself, and let x_1 ... x_n be its values in a batch of n samples:
#
#     m   = mean of the x_i
#     v   = mean of the (x_i - m)²
#     s   = 1 / √(v + eps)
#     h_i = s (x_i - m)
#     y_i = weight h_i + bias
#
# h has mean 0 and variance 1, but for eps, a small number that keeps the division from 0. The variance is divided by n.
# Each feature has a weight and a bias of its own, which are learned.
#
# ## Backward: weight and bias
#
# We write dy for dL/dy. One weight and one bias serve all samples, so their gradients are sums over the batch:
#
#     dbias   = sum over i of  dy_i
#     dweight = sum over i of  dy_i h_i
#     dh_i    = weight dy_i
#
# ## The path through the mean
#
# Look at c_i = x_i - m first. x_k is used in c_k itself, with the factor 1, and through m in every c_i, with the factor
# -1/n. Therefore
#
#     dx_k = dc_k - (1/n) (sum over i of  dc_i) = dc_k - mean(dc)
#
# The gradient loses its mean, as the values did. There is a check that needs no calculation: to add 1 to all x changes
# no c, so the dx must add up to 0.
#
# ## The path through the variance
#
# Now h_i = s c_i, and s depends on every x_k, too, by way of v:
#
#     ∂v/∂x_k = (2/n) (x_k - m)
#     ∂s/∂v   = -1/2 (v + eps)^(-3/2) = -s³ / 2
#     ∂s/∂x_k = -(s³/n) (x_k - m) = -s² h_k / n
#
# In the first line, what goes through m is left out: it would be multiplied by the sum of all x_i - m, which is 0. The
# last one uses s (x_k - m) = h_k.
#
# ## All paths together
#
# The product rule for h_i = s c_i gives the derivative that the chain rule needs:
#
#     ∂h_i/∂x_k = s ∂c_i/∂x_k + c_i ∂s/∂x_k
#     dx_k      = sum over i of  dh_i ∂h_i/∂x_k
#
# Put in what stands above, and collect. One term remains of each path, and two of the three contain a mean over the
# batch. This step is yours. Two checks: the dx of a feature add up to 0; and where eps is 0 so do the products dx_k
# h_k, because to multiply all x - m by one positive number changes no h.
#
# ## Layer norm
#
# Layer norm (Ba, Kiros and Hinton, 2016) computes the same h, but m and v are the mean and the variance of one
# *sample*, over its features. No sample sees another. So training and evaluation are the same, and a batch of one is no
# problem.
#
# ## What is asked
#
# | question | | points |
# |---|---|---|
# | 1 | the mean | 3 |
# | 2 | batch norm | 7 |
# | 3 | the running statistics | 4 |
# | 4 | layer norm | 4 |
# | 5 | where the scale goes, and the picture | 2 |
#
# It takes three to four hours. docs/extending.md, section "An operation", shows what `record` is given. The tests that
# you see give 9 of the 20 points. The hidden ones check everything that the questions ask, also what no visible test
# touches (evaluation, layer norm's gradients, the scale). Use `gradcheck`.

# %% [markdown] lang="zh"
# # 6. 批归一化的反向传播，以及层归一化
#
# 批归一化（Ioffe 与 Szegedy，2015）使每个特征在一批样本上均值为 0、方差为 1。它的前向传播只有三行；它的反向传播，几乎人人第一次都会写错，因为每个输出都沿着三条路径依赖于这一批中的每个输入。你要推导它，把它写成一个运算，加上评估时所需的滑动统计量，再换一个方向，得到层归一化。最后，看看两者对权重大小不合适的网络有什么作用。
#
# ## 前向传播
#
# 单独看一个特征，设 x_1 ... x_n 是它在一批 n 个样本中的值：
#
#     m   = 各个 x_i 的平均
#     v   = 各个 (x_i - m)² 的平均
#     s   = 1 / √(v + eps)
#     h_i = s (x_i - m)
#     y_i = weight h_i + bias
#
# 如果不计 eps（它是一个很小的数，使除数不为 0），h 的均值为 0，方差为 1。这里的方差除以的是 n。每个特征各有一个 weight 和一个 bias，它们是可学习的。
#
# ## 反向传播：weight 与 bias
#
# 把 dL/dy 记作 dy。同一个 weight、同一个 bias 用于所有样本，所以它们的梯度是对一批求和：
#
#     dbias   = 对 i 求和  dy_i
#     dweight = 对 i 求和  dy_i h_i
#     dh_i    = weight dy_i
#
# ## 经过均值的路径
#
# 先看 c_i = x_i - m。x_k 用在 c_k 本身，系数是 1；又通过 m 用在每个 c_i，系数是 -1/n。所以
#
#     dx_k = dc_k - (1/n) (对 i 求和  dc_i) = dc_k - mean(dc)
#
# 梯度也减去了自己的平均，与前向传播时的值一样。有一个不用计算的检验：把所有 x 都加 1，c 完全不变，所以各个 dx 之和必须为 0。
#
# ## 经过方差的路径
#
# 现在 h_i = s c_i，而 s 也通过 v 依赖于每个 x_k：
#
#     ∂v/∂x_k = (2/n) (x_k - m)
#     ∂s/∂v   = -1/2 (v + eps)^(-3/2) = -s³ / 2
#     ∂s/∂x_k = -(s³/n) (x_k - m) = -s² h_k / n
#
# 第一行略去了经过 m 的部分：它要乘以所有 x_i - m 的和，而这个和为 0。最后一行用到了 s (x_k - m) = h_k。
#
# ## 所有路径合在一起
#
# 对 h_i = s c_i 用乘积的求导法则，就得到链式法则所需的导数：
#
#     ∂h_i/∂x_k = s ∂c_i/∂x_k + c_i ∂s/∂x_k
#     dx_k      = 对 i 求和  dh_i ∂h_i/∂x_k
#
# 把上面的结果代入，再整理：每条路径各剩下一项，三项中有两项含有对一批的平均。这一步由你来做。有两个检验：一个特征的各个 dx 之和为 0；eps 为 0 时，各个乘积 dx_k h_k 之和也为 0，因为把所有 x - m 乘以同一个正数，h 完全不变。
#
# ## 层归一化
#
# 层归一化（Ba、Kiros 与 Hinton，2016）计算同样的 h，但 m 和 v 是一个*样本*在它的各个特征上的均值和方差。样本之间互不相干，所以训练与评估没有区别，一批只有一个样本也不成问题。
#
# ## 题目
#
# | 题号 | | 分数 |
# |---|---|---|
# | 1 | 均值 | 3 |
# | 2 | 批归一化 | 7 |
# | 3 | 滑动统计量 | 4 |
# | 4 | 层归一化 | 4 |
# | 5 | 尺度去了哪里，以及画图 | 2 |
#
# 大约需要三到四小时。docs/extending.md 中的 “An operation” 一节说明了要交给 `record` 的是什么。你能看到的测试占 20 分中的 9 分；隐藏的测试检验题目要求的一切，包括可见的测试没有涉及的内容（评估、层归一化的梯度、尺度）。请使用 `gradcheck`。测试信息和代码注释为英文。

# %% part="setup"
import numpy as np

from minidl import Tensor, data, flow, gradcheck, init, nn
from minidl.random import Generator
from minidl.tensor import record

STUDENT = ""  # your id, if your instructor gave each student numbers of their own

# %% part="tests"
import functools
from unittest import mock

from course.expect import expect


def _leaves(*shapes):
    """Random tensors of these shapes, the student's own, about 0.5, so that no weight is like its negative; in double precision."""
    rng = Generator(7).stream(str(STUDENT))
    return [Tensor(rng.normal(shape, 0.5, dtype=np.float64), requires_grad=True) for shape in shapes]


def _own(operation):
    """The student's operation, held to what was asked: `record` makes its result, of exactly its inputs."""

    @functools.wraps(operation)
    def watched(*args, **options):
        genuine, made = record, []

        def noted(data, parents, backward, saved=(), view=False):
            made.append((genuine(data, parents, backward, saved, view), set(map(id, parents))))
            return made[-1][0]

        with mock.patch.dict(operation.__globals__, record=noted):
            y = operation(*args, **options)
        inputs = {id(x) for x in args if isinstance(x, Tensor)}
        assert not isinstance(y, Tensor) or any(y is result and parents == inputs for result, parents in made), (
            f"what {operation.__name__} returns was not made by record of its inputs: compute with arrays, write backward "
            "yourself, and end with `return record(y, (the inputs), backward)`; minidl's operators and functions do not count"
        )
        return y

    return watched


def _hold_to_the_rules(operation):
    """Neither pass of a norm changes what it is given or has kept, and backward does not read what has changed since."""
    name, inputs = operation.__name__, _leaves((5, 3), (3,), (3,))
    dy = _leaves((5, 3), (3,), (3,), (5, 3))[-1].data
    before, grads = [t.data.copy() for t in inputs], []
    y = _own(operation)(*inputs)

    def sent_back():
        for t in inputs:
            t.grad = None
        y.backward(dy, retain_graph=True)
        return [t.grad.copy() for t in inputs]

    grads = [sent_back(), sent_back()]
    for which, t, old, first, second in zip(("x", "weight", "bias"), inputs, before, *grads, strict=True):
        assert np.array_equal(t.data, old), f"{name} changed its input {which}: compute new arrays, without +=, *= and [...] ="
        assert np.array_equal(first, second), (
            f"a second backward pass through one {name} gives another d{which}: backward changes what it has kept; "
            "compute new arrays, without +=, *= and [...] ="
        )
    for t in inputs:
        t.data *= 3
    try:
        grads = [grads[0], sent_back()]
    except RuntimeError:  # minidl has noticed
        return
    assert all(map(np.array_equal, *grads)), (
        f"backward of {name} reads x or weight, which have changed since, and minidl was not told: write saved=(x, weight) in record"
    )


_TRY = "Try it: a Linear layer and a BatchNorm1d with eps=0, once with weights that are 10 times as large"


def _three(found):
    """What scale returned."""
    assert isinstance(found, (tuple, list, np.ndarray)), f"scale() is {found!r}, expected three numbers"
    assert [np.ndim(number) for number in found] == [0, 0, 0], f"scale() is {found!r}, expected three numbers"
    return found


def _right_batch_norm(x, weight, bias, eps=1e-5):
    """The value of batch norm, so that a mistake in the student's own batch_norm costs no points of the next question."""
    return Tensor(weight.data * (x.data - x.data.mean(axis=0)) / np.sqrt(x.data.var(axis=0) + eps) + bias.data)


def _trained(norm, x):
    """What the student's Norm makes of x in training; forward has to be the student's, and to call batch_norm."""

    def refused(*args, **options):
        raise AssertionError("Norm uses the forward of minidl's BatchNorm1d: write a forward of its own, without super()")

    called = mock.Mock(side_effect=_right_batch_norm)
    with mock.patch.object(nn.BatchNorm1d, "forward", refused), mock.patch.dict(batch_norm.__globals__, batch_norm=called):
        y = norm(Tensor(np.array(x)))
    assert called.called, "Norm does not call your batch_norm in training"
    return y


# %% [markdown] question="center"
# ## Question 1: the mean (3 points)
#
# Write `center(x)`: each feature of x, of shape (batch, features), less its mean over the batch. Compute with arrays
# (`x.data`), write `backward(dy)` below, which returns a tuple with one gradient for each input, and hand both to
# `record`. In questions 1, 2 and 4 the backward pass is yours to write: minidl's operators and `functional` do not
# count. `gradcheck` from minidl compares your gradient with finite differences and says what is wrong:
#
# ```python
# gradcheck(center, Tensor(np.random.default_rng(0).normal(size=(5, 3)), requires_grad=True))
# ```

# %% [markdown] question="center" lang="zh"
# ## 第 1 题：均值（3 分）
#
# 写出 `center(x)`：x 的形状是 (batch, features)，每个特征减去它在这一批上的均值。用数组（`x.data`）计算，在下面写出 `backward(dy)`，它返回一个元组，对每个输入各有一个梯度，再把两者交给 `record`。第 1、2、4 题的反向传播都要你自己写：不能用 minidl 的运算符和 `functional` 代替。minidl 的 `gradcheck` 把你的梯度与有限差分比较，并指出错在哪里：
#
# ```python
# gradcheck(center, Tensor(np.random.default_rng(0).normal(size=(5, 3)), requires_grad=True))
# ```


# %% part="solution" question="center"
def center(x):
    """y = x less its mean over the batch, each feature by itself."""

    # BEGIN SOLUTION
    def backward(dy):
        return (dy - dy.mean(axis=0),)

    return record(x.data - x.data.mean(axis=0), (x,), backward)
    # END SOLUTION


# %% part="public" question="center" points=1
def test_center_of_two_features():
    """Three samples of two features, centred by hand."""
    y = _own(center)(Tensor([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]], requires_grad=True))
    mistakes = {
        "each feature has a mean of its own, axis 0": [[-15.5, -6.5], [-14.5, 3.5], [-10.5, 43.5]],
        "the mean is that over the batch, axis 0": [[-4.5, 4.5], [-9, 9], [-27, 27]],
    }
    expect("center(x)", y, [[-2, -20], [-1, -10], [3, 30]], mistakes=mistakes)


# %% part="hidden" question="center" points=2
def test_center_backward():
    """The derivative of center, for a batch of five and for a batch of one."""
    gradcheck(_own(center), _leaves((5, 3)))
    y = center(Tensor([[3.0, 4.0]], requires_grad=True))
    expect("center(x) for a batch of one", y, [[0.0, 0.0]])


# %% [markdown] question="batch_norm"
# ## Question 2: batch norm (7 points)
#
# Write `batch_norm(x, weight, bias, eps)`: y = weight h + bias, with h as above. x has shape (batch, features), and
# weight and bias have shape (features,). One operation with three inputs: `backward` returns (dx, dweight, dbias), in
# this order. Derive dx on paper first, to the end. Neither forward nor backward may change an array that it is given or
# has kept. So a second backward pass gives the same gradients. What backward needs of x and of weight is taken in the
# forward pass, and `saved=(x, weight)` in `record` makes it an error if an optimizer changes them in between.

# %% [markdown] question="batch_norm" lang="zh"
# ## 第 2 题：批归一化（7 分）
#
# 写出 `batch_norm(x, weight, bias, eps)`：y = weight h + bias，h 如上所述。x 的形状是 (batch, features)，weight 和 bias 的形状是 (features,)。这是一个有三个输入的运算：`backward` 依次返回 (dx, dweight, dbias)。请先在纸上把 dx 推导到底。前向传播和反向传播都不得改变传给它们的数组，也不得改变自己留下的数组，所以再做一次反向传播，得到的梯度相同。backward 所需的 x 和 weight 的值要在前向传播时取好；`record` 中的 `saved=(x, weight)` 使得优化器若在前向传播与反向传播之间改变了它们，就会报错。


# %% part="solution" question="batch_norm"
def batch_norm(x, weight, bias, eps=1e-5):
    """y = weight h + bias with h = (x - m) / sqrt(v + eps), m and v the mean and variance over the batch."""
    # BEGIN SOLUTION
    w = weight.data
    centred = x.data - x.data.mean(axis=0)
    s = 1 / np.sqrt(np.mean(centred**2, axis=0) + eps)
    h = s * centred

    def backward(dy):
        dh = dy * w
        dx = s * (dh - dh.mean(axis=0) - h * (dh * h).mean(axis=0))
        return dx, (dy * h).sum(axis=0), dy.sum(axis=0)

    return record(w * h + bias.data, (x, weight, bias), backward, saved=(x, weight))
    # END SOLUTION


# %% part="public" question="batch_norm" points=1
def test_batch_norm_of_two_features():
    """Two samples of two features, normalized by hand."""
    x, weight, bias = Tensor([[1.0, 10.0], [3.0, 30.0]]), Tensor([2.0, 1.0]), Tensor([0.0, 5.0])
    mistakes = {
        "the variance is divided by n here, not by n - 1": [[-(2**0.5), 5 - 0.5**0.5], [2**0.5, 5 + 0.5**0.5]],
        "x - m is divided by the root of v + eps, not by v + eps itself": [[-2.0, 4.9], [2.0, 5.1]],
        "mean and variance are those of each feature over the batch, axis 0": [[-2.0, 6.0], [-2.0, 6.0]],
    }
    y = batch_norm(x, weight, bias, eps=0.0)
    expect("batch_norm(x, weight, bias, eps=0)", y, [[-2.0, 4.0], [2.0, 6.0]], mistakes=mistakes)
    mistakes = {"eps is added to the variance, under the root": [[-0.5], [0.5]]}
    y = batch_norm(Tensor([[1.0], [3.0]]), Tensor([2.0]), Tensor([0.0]), eps=3.0)
    expect("batch_norm(x, weight, bias, eps=3)", y, [[-1.0], [1.0]], mistakes=mistakes)


# %% part="public" question="batch_norm" points=1
def test_batch_norm_backward_of_weight_and_bias():
    """dweight and dbias, for a batch of six."""
    x, weight, bias = _leaves((6, 3), (3,), (3,))
    gradcheck(_own(batch_norm), (x.detach(), weight, bias))


# %% part="public" question="batch_norm" points=3
def test_batch_norm_backward():
    """dx for a batch of six: all three paths."""
    x, weight, bias = _leaves((6, 3), (3,), (3,))
    gradcheck(_own(batch_norm), (x, weight.detach(), bias.detach()))


# %% part="hidden" question="batch_norm" points=1
def test_batch_norm_backward_where_eps_counts():
    """dx where eps is as large as the variance, so that h is far from variance 1; and for a batch of two."""
    for n in (6, 2):
        x, weight, bias = _leaves((n, 3), (3,), (3,))
        gradcheck(lambda *inputs: _own(batch_norm)(*inputs, 1.0), (x, weight.detach(), bias.detach()))


# %% part="hidden" question="batch_norm" points=1
def test_batch_norm_changes_nothing():
    """The inputs are what they were, a second backward pass gives the same, and inputs that change in between spoil nothing."""
    _hold_to_the_rules(batch_norm)


# %% [markdown] question="statistics"
# ## Question 3: the running statistics (4 points)
#
# In evaluation a sample must not depend on the others that happen to be in its batch. So in training the layer keeps
# running averages of m and v, and in evaluation it uses these. Write `forward` of the layer `Norm`. It has
# `self.weight` and `self.bias`, the arrays `self.running_mean` and `self.running_var`, and the numbers `self.momentum`
# and `self.eps`.
#
# - In training (`self.training` is true): the result is your `batch_norm`, and both statistics move towards the
#   batch's, running = (1 - momentum) running + momentum batch, with the *unbiased* variance, divided by n - 1. That is
#   PyTorch's rule: y uses the variance divided by n, and running_var the other one. In training a batch has at least
#   two samples.
# - In evaluation: y = weight (x - running_mean) / sqrt(running_var + eps) + bias, and nothing moves. Write it with
#   minidl's operators on tensors, which know their derivatives.
#
# `Norm` is a BatchNorm1d in all else, so that `flow` and its theory know what it does.

# %% [markdown] question="statistics" lang="zh"
# ## 第 3 题：滑动统计量（4 分）
#
# 评估时，一个样本的结果不应取决于碰巧同在一批的其他样本。因此，层在训练时积累 m 和 v 的滑动平均，评估时就用它们。请写出层 `Norm` 的 `forward`。它有 `self.weight` 和 `self.bias`，数组 `self.running_mean` 和 `self.running_var`，以及数 `self.momentum` 和 `self.eps`。
#
# - 训练时（`self.training` 为真）：结果就是你的 `batch_norm`，同时两个统计量都向这一批的值移动，running = (1 - momentum) running + momentum batch，其中的方差是**无偏**的，除以 n - 1。这是 PyTorch 的规则：y 用的是除以 n 的方差，running_var 用的是另一种。训练时一批至少有两个样本。
# - 评估时：y = weight (x - running_mean) / sqrt(running_var + eps) + bias，统计量保持不变。请用 minidl 张量的运算符来写，它们知道自己的导数。
#
# 除此之外，`Norm` 就是 BatchNorm1d，所以 `flow` 和其中的理论都知道它的作用。


# %% part="solution" question="statistics"
class Norm(nn.BatchNorm1d):
    """Batch norm with the function above: by the batch in training, by the running statistics in evaluation."""

    def forward(self, x):
        """x is a Tensor of shape (batch, features)."""
        # BEGIN SOLUTION
        if not self.training:
            return self.weight * (x - self.running_mean) / np.sqrt(self.running_var + self.eps) + self.bias
        mean, variance = x.data.mean(axis=0), x.data.var(axis=0, ddof=1)
        self.running_mean = ((1 - self.momentum) * self.running_mean + self.momentum * mean).astype(self.dtype)
        self.running_var = ((1 - self.momentum) * self.running_var + self.momentum * variance).astype(self.dtype)
        return batch_norm(x, self.weight, self.bias, self.eps)
        # END SOLUTION


# %% part="public" question="statistics" points=1
def test_norm_in_training():
    """One batch of the numbers 1, 3 and 8: the output, and the running mean."""
    norm = Norm(1, eps=0.0, dtype=np.float64)
    expect("Norm(1)(x) in training", _trained(norm, [[1.0], [3.0], [8.0]]), np.array([[-3], [-1], [4]]) / np.sqrt(26 / 3))
    mistakes = {"momentum is the weight of the new batch, not of the old value": [3.6]}
    expect("running_mean after this batch", norm.running_mean, [0.4], mistakes=mistakes)


# %% part="hidden" question="statistics" points=1
def test_norm_uses_what_it_has():
    """In training, the layer's own weight, bias, eps and momentum count: the batch 1, 3 with eps = 3 and momentum = 1/4."""
    norm = Norm(1, eps=3.0, momentum=0.25, weight_init=[2.0], bias_init=[5.0], dtype=np.float64)
    mistakes = {
        "weight and bias are not used": [[-0.5], [0.5]],
        "weight is not used": [[4.5], [5.5]],
        "bias is not used": [[-1.0], [1.0]],
        "eps is not handed on to batch_norm": [[3.00001], [6.99999]],
    }
    expect("Norm(1, eps=3, ...)(x) in training", _trained(norm, [[1.0], [3.0]]), [[4.0], [6.0]], mistakes=mistakes)
    mistakes = {"self.momentum is not used": [0.2]}
    expect("running_mean where momentum is 1/4", norm.running_mean, [0.5], mistakes=mistakes)


# %% part="hidden" question="statistics" points=1
def test_norm_moves_its_variance():
    """running_var begins at 1; after the batch 1, 3, 8, of unbiased variance 13, and after this batch again."""
    norm = Norm(1, dtype=np.float64)
    for right in (0.9 + 1.3, 0.9 * 2.2 + 1.3):
        _trained(norm, [[1.0], [3.0], [8.0]])
        mistakes = {"it takes the unbiased variance, divided by n - 1": [0.9 + 2.6 / 3]}
        expect("running_var", norm.running_var, [right], mistakes=mistakes)


# %% part="hidden" question="statistics" points=1
def test_norm_in_evaluation():
    """In evaluation the running statistics are used, stay as they are, and pass the gradient on."""
    norm = Norm(2, eps=1.0, weight_init=[2.0, 3.0], bias_init=[0.0, 5.0], dtype=np.float64)
    norm.running_mean[...], norm.running_var[...] = [1.0, 10.0], [3.0, 8.0]
    norm.eval()
    assert "forward" in vars(Norm), "Norm has no forward of its own"
    y = norm(Tensor(np.array([[2.0, 7.0], [3.0, 13.0]])))
    expect("in evaluation, where running_mean and running_var count, Norm(2)(x)", y, [[1.0, 2.0], [2.0, 8.0]])
    for name, right in (("running_mean", [1.0, 10.0]), ("running_var", [3.0, 8.0])):
        expect(f"{name} after a batch in evaluation", getattr(norm, name), right)
    gradcheck(lambda x, weight, bias: norm(x), (*_leaves((4, 2)), norm.weight, norm.bias))


# %% [markdown] question="layer_norm"
# ## Question 4: layer norm (4 points)
#
# Write `layer_norm(x, weight, bias, eps)`: the same, with the mean and the variance of each sample over its features. x
# has shape (batch, features), and weight and bias have shape (features,), as before. Mind over which axis each sum
# runs. There are four in the backward pass, and not all have changed. The rules of question 2 hold here, too: no array
# is changed, and `record` is told what backward reads.

# %% [markdown] question="layer_norm" lang="zh"
# ## 第 4 题：层归一化（4 分）
#
# 写出 `layer_norm(x, weight, bias, eps)`：做法相同，但均值和方差是每个样本在其各个特征上的。x 的形状是 (batch, features)，weight 和 bias 的形状仍是 (features,)。注意每个求和沿哪个轴进行：反向传播中共有四个，并不是每个都变了。第 2 题的要求在这里同样成立：不改变任何数组，并且要把 backward 用到的值告诉 `record`。


# %% part="solution" question="layer_norm"
def layer_norm(x, weight, bias, eps=1e-5):
    """y = weight h + bias with h = (x - m) / sqrt(v + eps), m and v the mean and variance of each sample."""
    # BEGIN SOLUTION
    w = weight.data
    m = x.data.mean(axis=1, keepdims=True)
    v = x.data.var(axis=1, keepdims=True)
    h = (x.data - m) / np.sqrt(v + eps)

    def backward(dy):
        dh = dy * w
        along = h * np.mean(dh * h, axis=1, keepdims=True)
        dx = (dh - dh.mean(axis=1, keepdims=True) - along) / np.sqrt(v + eps)
        return dx, np.sum(dy * h, axis=0), np.sum(dy, axis=0)

    return record(w * h + bias.data, (x, weight, bias), backward, saved=(x, weight))
    # END SOLUTION


# %% part="public" question="layer_norm" points=1
def test_layer_norm_of_three_samples():
    """Three samples of two features, normalized by hand; and one where eps counts."""
    x = np.array([[1.0, 3.0], [30.0, 10.0], [2.0, 6.0]])
    h, weight, bias = np.array([[-1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]]), np.array([2.0, 1.0]), np.array([0.0, 5.0])
    mistakes = {
        "the variance is divided by n here, not by n - 1": weight * h / np.sqrt(2) + bias,
        "this is batch norm; mean and variance are now those of each sample over its features, axis 1": (
            weight * (x - x.mean(axis=0)) / x.std(axis=0) + bias
        ),
    }
    right = [[-2.0, 6.0], [2.0, 4.0], [-2.0, 6.0]]
    y = layer_norm(Tensor(x), Tensor(weight), Tensor(bias), eps=0.0)
    expect("layer_norm(x, weight, bias, eps=0)", y, right, 1e-4, mistakes)  # whoever leaves eps out is told so below
    y = layer_norm(Tensor([[1.0, 3.0]]), Tensor([2.0, 2.0]), Tensor([0.0, 0.0]), 3.0)
    mistakes = {"eps is not used; it is added to the variance, under the root": [[-1.99999, 1.99999]]}
    expect("layer_norm(x, weight, bias, eps=3)", y, [[-1.0, 1.0]], mistakes=mistakes)


# %% part="hidden" question="layer_norm" points=1
def test_layer_norm_backward_of_weight_and_bias():
    """dweight and dbias, for a batch of five."""
    x, weight, bias = _leaves((5, 4), (4,), (4,))
    gradcheck(_own(layer_norm), (x.detach(), weight, bias))


# %% part="hidden" question="layer_norm" points=1
def test_layer_norm_backward():
    """dx for a batch of five and for a batch of one, also where eps counts."""
    for shape, eps in (((5, 4), 1e-5), ((1, 6), 1.0)):
        x, weight, bias = _leaves(shape, shape[1:], shape[1:])
        gradcheck(lambda *inputs, eps=eps: _own(layer_norm)(*inputs, eps), (x, weight.detach(), bias.detach()))


# %% part="hidden" question="layer_norm" points=1
def test_layer_norm_changes_nothing():
    """The inputs are what they were, a second backward pass gives the same, and inputs that change in between spoil nothing."""
    _hold_to_the_rules(layer_norm)


# %% [markdown] question="scale"
# ## Question 5: where the scale goes (2 points)
#
# A linear layer is followed by batch norm with eps = 0. All weights of the linear layer are multiplied by 10. Work out,
# from your formulas, by which factor each of these is multiplied, and let `scale()` return the three numbers:
#
# 1. the output of the batch norm,
# 2. the gradient for the weights of the linear layer,
# 3. one step of plain gradient descent on these weights, relative to their size: |lr dW| / |W|.
#
# Then run this file (in a notebook, its last cell) for the picture: twenty tanh layers, once as they are, once with your batch
# norm and once with your layer norm before each tanh, for weights of many sizes. On the left is the signal, on the
# right the third of your numbers: is its slope what you said? So a network with batch norm starts from any weights, but
# the size of the weights is not without effect. Where has it gone?

# %% [markdown] question="scale" lang="zh"
# ## 第 5 题：尺度去了哪里（2 分）
#
# 一个线性层后面接着 eps = 0 的批归一化。现在把线性层的所有权重乘以 10。请由你的公式推出下面三个量各变为原来的多少倍，让 `scale()` 返回这三个数：
#
# 1. 批归一化的输出；
# 2. 线性层权重的梯度；
# 3. 不带动量的梯度下降在这些权重上走一步的相对大小：|lr dW| / |W|。
#
# 然后运行这个文件（在笔记本中运行最后一个单元格），把图画出来：二十个 tanh 层，一组不加归一化，一组在每个 tanh 之前加上你的批归一化，一组加上你的层归一化，权重取各种大小。左图是信号，右图是上面的第三个数：它的斜率与你说的一致吗？可见，有了批归一化，网络从任何大小的权重开始都行，但权重的大小并非毫无影响。它的影响去了哪里？


# %% part="solution" question="scale"
def scale():
    """By which factors the output, the gradient for the weights and the relative step are multiplied."""
    # BEGIN SOLUTION
    return 1, 1 / 10, 1 / 100
    # END SOLUTION


# %% part="public" question="scale" points=1
def test_scale_is_three_numbers():
    """Three numbers are returned, and the first of them is right: batch norm takes out what the weights are multiplied by."""
    found = _three(scale())
    assert np.isclose(found[0], 1), f"scale(): the output is not multiplied by {found[0]}. {_TRY}"


# %% part="hidden" question="scale" points=1
def test_scale_of_gradient_and_step():
    """The factors of the gradient and of the relative step."""
    _, *found = _three(scale())
    for given, right, name in zip(found, (0.1, 0.01), ("the gradient", "the relative step"), strict=True):
        assert np.isclose(given, right), f"scale(): {name} is not multiplied by {given}. {_TRY}"


# %% part="given" question="scale"
class LayerNorm(nn.LayerNorm):
    """Layer norm with the function above."""

    def forward(self, x):
        return layer_norm(x, self.weight, self.bias, self.eps)


def draw():
    """Twenty tanh layers with weights of many sizes: points are measured, lines are theory."""
    import matplotlib.pyplot as plt

    digits = data.digits()
    x, y = digits.x_train[:256], digits.y_train[:256]
    scales = np.geomspace(0.25, 8, 11)
    kinds = {"no normalization": None, "your batch norm": Norm, "your layer norm": LayerNorm}
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, kind in kinds.items():
        found = []
        for times in scales:
            weights = init.VarianceScaling(times**2)
            layers = []
            for _ in range(20):
                layers += [nn.Linear(64, 64, weight_init=weights), *([kind(64)] if kind else []), nn.Tanh()]
            model = nn.Sequential(*layers, nn.Linear(64, 10)).initialize(rng=0)
            report = flow.measure(model, x, y)
            last, first = [record for record in report if record.kind == "Tanh"][-1], report["0"]
            found.append((last.out_std, last.predicted_std, first.update_ratio))
        measured, predicted, step = np.array(found, dtype=float).T
        (line,) = panels[0].loglog(scales, predicted)
        panels[0].loglog(scales, measured, "o", color=line.get_color(), label=name)
        panels[1].loglog(scales, step, "o-", color=line.get_color())
    panels[0].set(title="signal behind the last tanh", xlabel="weights, times 1 / sqrt(n)", ylabel="standard deviation")
    panels[1].set(title="first layer: |dW| / |W|", xlabel="weights, times 1 / sqrt(n)")
    for axes in panels:
        axes.set_xticks([0.25, 0.5, 1, 2, 4, 8], ["1/4", "1/2", "1", "2", "4", "8"])
        axes.set_xticks([], minor=True)
    panels[0].legend()
    figure.savefig("hw6.png", dpi=110)
    plt.show()


if __name__ == "__main__":
    draw()
