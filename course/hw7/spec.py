# %% [markdown]
# # 7. Optimizers, and learning rate x scale
#
# Back-propagation says which way is downhill. The optimizer decides how far to go, and that question cannot be
# separated from the size of the weights: the same learning rate is too small for one initialization and too large for
# another. You will code momentum and Adam, derive the largest rate that a valley bears, and measure how steep the
# valley is that a network lies in. At the end a map shows which rates and which scales go together.
#
# ## One valley, plain descent
#
# Near a minimum a loss is a parabola. In one direction, with w counted from the minimum, L = λ w² / 2, where λ is the
# curvature, the second derivative. Its gradient is λ w, so a step of gradient descent with rate lr is
#
#     w ← w - lr λ w = (1 - lr λ) w
#
# w shrinks exactly if |1 - lr λ| < 1, that is, if lr < 2 / λ. Beyond that, each step lands higher on the other side.
# With many weights this holds in each direction by itself. The steepest direction, the largest λ, sets the largest
# rate.
#
# ## Momentum
#
# Momentum keeps a velocity v, of which it forgets a fraction 1 - m in each step: v ← m v + dw, w ← w - lr v. A gradient
# that stays the same adds up to dw (1 + m + m² + ...) = dw / (1 - m). So with m = 0.9 the steps become ten times as
# long.
#
# In the valley, dw = λ w. Since lr v is the step before, w_(t-1) - w_t, the two lines become one:
#
#     w_(t+1) = w_t - lr λ w_t - m (w_(t-1) - w_t) = (1 + m - lr λ) w_t - m w_(t-1)
#
# Try w_t = z^t. This is a solution for the two roots of z² - (1 + m - lr λ) z + m = 0, and w shrinks if both are less
# than 1 in absolute value. Their product is m. If they are complex, each has the absolute value √m, which is below 1.
# If they are real, ask when the one farther out reaches 1 or -1. Put z = 1 into the equation, and lr λ = 0 is left,
# which is no step at all. Put z = -1, and you have the largest rate. This is yours to do.
#
# ## Adam
#
# Adam (Kingma and Ba, 2015) keeps two running averages for each weight, one of its gradient g and one of g². They are
# called m and v, as in the paper, and are not the momentum and the velocity from above:
#
#     m ← β1 m + (1 - β1) g
#     v ← β2 v + (1 - β2) g²
#     w ← w - lr m̂ / (√v̂ + eps)
#
# Both begin as 0, so they are too small at first. After t steps m is the sum of (1 - β1) β1^(t-i) g_i over the steps
# i = 1 ... t, and these factors add up to 1 - β1^t, not to 1. Dividing by what they add up to makes it an average:
# m̂ = m / (1 - β1^t), v̂ = v / (1 - β2^t). In the first step m̂ = g and v̂ = g², so each weight moves by lr,
# whatever its gradient is. If the loss is multiplied by 1000, plain descent needs another rate, and Adam does not
# notice.
#
# ## What the scale of the weights has to do with it
#
# The smallest network with two layers has two weights: y = a b x. With x = 1 and the target 1,
#
#     L = (a b - 1)² / 2        da = (a b - 1) b        db = (a b - 1) a
#
# The second derivatives are b², a², and 2 a b - 1 for the mixed one. Where a b = 1, which is a minimum, they form the
# matrix with the rows (b², a b) and (a b, a²). Its eigenvalues are 0, along the valley, and a² + b², across it: the
# curvature is the sum of the squared weights. At a = b = 1 it is 2. At a = 10, b = 1/10 it is 100, and the largest rate
# is 50 times smaller, for a network that computes the same.
#
# Where does descent end? If its steps are small, a² changes by -2 lr a da = -2 lr (a b - 1) a b, and so does b². Their
# difference a² - b² stays as it was in the beginning. With a b = 1 this gives the curvature at the end, from the
# weights at the start: (a² + b²)² = (a² - b²)² + 4 (a b)². So large initial weights end in a steep valley. Small ones
# have another problem. Near a = b = 0 both gradients are about 0, and a + b grows by a factor of 1 + lr in each step,
# of which a is soon a half, even if b begins at 0: from a scale of s it takes about ln(1/s) / lr steps before anything
# happens.
#
# ## Measuring the curvature
#
# A network has thousands of directions. The matrix H of its second derivatives is too large to write down, but H u is
# the change of the gradient on a small step along u:
#
#     H u = (gradient(w + ε u) - gradient(w - ε u)) / (2 ε)
#
# If u is a mixture of eigenvectors, H multiplies each by its eigenvalue. Apply H again and again, to a u that you bring
# back to length 1 each time, and the one with the largest absolute eigenvalue is left. (This is power iteration.) Then
# the eigenvalue, with its sign, is the product u · H u.
#
# ## What is asked
#
# | question | | points |
# |---|---|---|
# | 1 | momentum | 5 |
# | 2 | Adam | 5 |
# | 3 | the largest rate | 4 |
# | 4 | how steep a network is | 4 |
# | 5 | training, and the map | 2 |
#
# It takes about four hours. Read docs/extending.md, section "An optimizer", first. The tests that you see
# give 9 of the 20 points. The hidden ones check everything that the questions ask, also what no visible test touches
# (several parameters, the largest rate with momentum, negative curvature, a training that diverges).

# %% [markdown] lang="zh"
# # 7. 优化器，以及学习率与权重大小的关系
#
# 反向传播指出下坡的方向，走多远由优化器决定；而走多远，又与权重的大小分不开：同一个学习率，对一种初始化太小，对另一种却太大。你要写出动量法和 Adam，推导一个山谷所能承受的最大学习率，再测量一个网络所在的山谷有多陡。最后，一张图会告诉你，哪些学习率与哪些权重大小相配。
#
# ## 一个山谷，普通的梯度下降
#
# 在极小值附近，损失是一条抛物线。只看一个方向，从极小值处量 w，则 L = λ w² / 2，其中 λ 是曲率，即二阶导数。梯度是 λ w，所以学习率为 lr 的一步梯度下降是
#
#     w ← w - lr λ w = (1 - lr λ) w
#
# 当且仅当 |1 - lr λ| < 1，即 lr < 2 / λ 时，w 才缩小；超过这个值，每一步都落到对面更高的地方。权重有许多个时，每个方向各自如此。最陡的方向，也就是最大的 λ，决定了最大的学习率。
#
# ## 动量
#
# 动量法保持一个速度 v，每一步忘掉其中的 (1 - m)：v ← m v + dw，w ← w - lr v。如果梯度一直不变，速度就累积成 dw (1 + m + m² + ...) = dw / (1 - m)。所以 m = 0.9 时，步长变成十倍。
#
# 在山谷中，dw = λ w。lr v 就是上一步的位移 w_(t-1) - w_t，所以两行合成一行：
#
#     w_(t+1) = w_t - lr λ w_t - m (w_(t-1) - w_t) = (1 + m - lr λ) w_t - m w_(t-1)
#
# 用 w_t = z^t 去试。z 取 z² - (1 + m - lr λ) z + m = 0 的两个根时，它就是解；两个根的绝对值都小于 1 时，w 缩小。两根之积是 m。如果它们是复数，绝对值都是 √m，小于 1。如果它们是实数，就要问靠外的那个何时到达 1 或 -1。把 z = 1 代入方程，只剩下 lr λ = 0，也就是根本不走；把 z = -1 代入，就得到最大的学习率。这一步由你来做。
#
# ## Adam
#
# Adam（Kingma 与 Ba，2015）对每个权重的梯度 g 和它的平方各保持一个滑动平均。它们按论文的习惯称为 m 和 v，不是上面的动量和速度：
#
#     m ← β1 m + (1 - β1) g
#     v ← β2 v + (1 - β2) g²
#     w ← w - lr m̂ / (√v̂ + eps)
#
# 两者都从 0 开始，所以起初太小。t 步之后，m 是 (1 - β1) β1^(t-i) g_i 对 i = 1 ... t 各步的和，这些系数加起来是 1 - β1^t，而不是 1。除以它们的和，才成为平均：m̂ = m / (1 - β1^t)，v̂ = v / (1 - β2^t)。第一步时 m̂ = g，v̂ = g²，所以不论梯度多大，每个权重都移动 lr。把损失乘以 1000，普通的梯度下降就得换一个学习率，而 Adam 毫无察觉。
#
# ## 这与权重的大小有什么关系
#
# 最小的两层网络只有两个权重：y = a b x。取 x = 1，目标为 1，则
#
#     L = (a b - 1)² / 2        da = (a b - 1) b        db = (a b - 1) a
#
# 二阶导数是 b²、a²，混合的一个是 2 a b - 1。在 a b = 1 处（那里是极小值），它们组成的矩阵的两行是 (b², a b) 和 (a b, a²)。它的特征值一个是 0，沿着山谷；一个是 a² + b²，横跨山谷：曲率就是权重的平方和。在 a = b = 1 处，它是 2；在 a = 10、b = 1/10 处，它是 100，最大学习率小了 50 倍，而这两个网络算出的东西完全相同。
#
# 梯度下降到哪里为止？如果步子很小，a² 的改变是 -2 lr a da = -2 lr (a b - 1) a b，b² 的改变与它相同。所以两者之差 a² - b² 始终与开始时一样。加上 a b = 1，就可以由开始时的权重求出最后的曲率：(a² + b²)² = (a² - b²)² + 4 (a b)²。可见，初始权重大，就会落进陡峭的山谷。初始权重小，则有另一个问题：在 a = b = 0 附近，两个梯度都接近 0，a + b 每一步只增大到 1 + lr 倍，其中 a 很快占到一半，即使 b 从 0 开始；从大小 s 开始，大约要走 ln(1/s) / lr 步，才会有所动静。
#
# ## 测量曲率
#
# 一个网络有成千上万个方向。二阶导数的矩阵 H 大得写不出来，但 H u 就是沿 u 走一小步时梯度的改变：
#
#     H u = (gradient(w + ε u) - gradient(w - ε u)) / (2 ε)
#
# 如果 u 是各个特征向量的混合，H 就把其中每一个乘以它的特征值。一次又一次地用 H 去乘，每次再把 u 的长度变回 1，最后就只剩下特征值绝对值最大的那一个。（这叫做幂迭代。）这时，乘积 u · H u 就是带符号的特征值。
#
# ## 题目
#
# | 题号 | | 分数 |
# |---|---|---|
# | 1 | 动量 | 5 |
# | 2 | Adam | 5 |
# | 3 | 最大的学习率 | 4 |
# | 4 | 一个网络有多陡 | 4 |
# | 5 | 训练，以及画图 | 2 |
#
# 大约需要四小时。请先读 docs/extending.md 中的 “An optimizer” 一节。你能看到的测试占 20 分中的 9 分；隐藏的测试检验题目要求的一切，包括可见的测试没有涉及的内容（多个参数、带动量时的最大学习率、负的曲率、发散的训练）。测试信息和代码注释为英文。

# %% part="setup"
from itertools import pairwise

import numpy as np

from minidl import Tensor, data, init, nn, no_grad, optim
from minidl import functional as F
from minidl.random import Generator

STUDENT = ""  # your id, if your instructor gave each student numbers of their own


class Optimizer:
    """What your two optimizers have in common."""

    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr

    def zero_grad(self):
        for p in self.params:
            p.grad = None


# %% part="tests"
from unittest import mock

from course.expect import expect


def _leaf(*values):
    return Tensor(np.array(values), requires_grad=True)


def _step(optimizer):
    """One step, of the student's own."""

    def refused(*args):
        raise AssertionError("minidl's own optimizers do not count: write the step yourself, with arrays")

    with mock.patch.object(optim.Optimizer, "step", refused):
        try:
            optimizer.step()
        except AttributeError as error:
            if "'Tensor' object has no attribute" in str(error):
                error.add_note("A parameter takes no attributes of yours: keep what lasts from step to step in self.")
            raise


def _steps(optimizer, w, gradients):
    """w after each step with these gradients."""
    places = []
    for gradient in gradients:
        w.grad = np.array(gradient)
        _step(optimizer)
        places.append(w.data.copy())
        assert np.isfinite(w.data).all(), (
            f"after step {len(places)} the parameter is {w.data}: what is divided by 0? (Adam's t is 1 in the first step; 1 - β^0 is 0)"
        )
    return np.array(places)


def _hold_to_the_rules(make):
    """What holds for any optimizer: make(params) is one. The shapes are those of a network's weights, biases and scales."""
    values = [np.array([1.0, -2.0]), np.array(0.5), np.arange(6.0).reshape(3, 2) - 2.5]
    gradients = [np.array([0.5, 0.25]), np.array(-1.0), np.linspace(-1.0, 2.0, 6).reshape(3, 2)]
    params = [Tensor(value.copy(), requires_grad=True) for value in values]
    never = _leaf(0.5, 0.5)
    optimizer = make([params[0], never, *params[1:]])
    _, other, _ = params
    for p, gradient in zip(params, gradients, strict=True):
        p.grad = gradient.copy()
    for n in range(4):
        other.grad = other.grad if n < 2 else None
        before, kept = other.data.copy(), [p.grad for p in params]
        try:
            _step(optimizer)
        except TypeError as error:
            mistake = "where a parameter's .grad is None, leave it alone"
            if "NoneType" not in str(error):
                mistake = "the parameters have the shapes (2,), () and (3, 2), and arrays of NumPy add up whatever their shape"
            raise AssertionError(f"step raises '{error}': {mistake}") from error
        except ValueError as error:
            raise AssertionError(f"step raises '{error}': keep state for each parameter by itself, in its own shape") from error
        assert n < 2 or np.array_equal(other.data, before, equal_nan=True), (
            "step moves a parameter whose .grad is None, and had moved before: leave it alone, whatever its velocity"
        )
        for p, grad, gradient in zip(params, kept, gradients, strict=True):
            assert p.grad is grad, "step sets p.grad to something else: leave it as it is, for zero_grad is there to clear it"
            assert grad is None or np.array_equal(grad, gradient), (
                "step changes p.grad: what you keep from step to step must be an array of your own, and `a = p.grad` makes no copy"
            )
    assert np.array_equal(never.data, [0.5, 0.5]), "step moves a parameter whose .grad is None: leave it alone"
    for p, value in zip(params, values, strict=True):
        assert not np.array_equal(p.data, value), (
            "step does not move each parameter that has a gradient: does the loop go on after the first, and after one without?"
        )
        assert p.dtype == value.dtype, f"a parameter of {value.dtype} has become one of {p.dtype}"
    for p, value, gradient in list(zip(params, values, gradients, strict=True))[::2]:
        alone = Tensor(value.copy(), requires_grad=True)
        _steps(make([alone]), alone, 4 * [gradient])
        assert np.allclose(alone.data, p.data), (
            "a parameter moves differently when there are others, and one of them without a gradient: keep state for each by itself"
        )
        _hold_to_noticing(make([_leaf(1.0), p]), p)
    single = Tensor(np.float32([1.0, 2.0]), requires_grad=True)
    _steps(make([single]), single, [np.float32([0.5, 0.5])])
    assert single.dtype == np.float32, f"a parameter of float32 has become one of {single.dtype}: change p.data in place"


def _hold_to_noticing(optimizer, p):
    """That minidl notices a step that changes p between the forward and the backward pass."""
    loss, p.grad = (p * p).sum(), None
    loss.backward(retain_graph=True)
    right = p.grad.copy()
    _step(optimizer)
    p.grad = None
    try:
        loss.backward()
    except RuntimeError:  # minidl has noticed that p is another one now
        return
    assert np.array_equal(p.grad, right), (
        "minidl does not notice that step changed a parameter, so that a later backward() is wrong: write p.data -= ..., or call "
        "p.changed() afterwards"
    )


# %% [markdown] question="momentum"
# ## Question 1: momentum (5 points)
#
# Complete `Momentum`. For each parameter p with gradient dp (`p.grad`) and velocity v, which begins as 0, a step is
#
#     v ← momentum v + dp
#     p ← p - lr v
#
# This is PyTorch's rule: v does not contain the learning rate. A parameter whose `.grad` is None stays where it is, even
# if it has a velocity; what becomes of this velocity meanwhile is up to you. `.grad` itself stays as it is, and so do the
# shape and dtype of p. minidl must notice the change, as docs/extending.md explains: `p.data -= ...` does it. In this
# question and the next, minidl's own optimizers do not count.

# %% [markdown] question="momentum" lang="zh"
# ## 第 1 题：动量（5 分）
#
# 请完成 `Momentum`。对每个参数 p，梯度为 dp（`p.grad`），速度 v 从 0 开始，一步是
#
#     v ← momentum v + dp
#     p ← p - lr v
#
# 这是 PyTorch 的规则：v 中不含学习率。`.grad` 为 None 的参数保持不动，即使它有速度；这期间它的速度怎样变化，由你决定。`.grad` 本身不得改变，p 的形状和数据类型也不变。minidl 必须能察觉参数的改变，docs/extending.md 解释了为什么：写 `p.data -= ...` 就行。这一题和下一题都不能用 minidl 自带的优化器代替。


# %% part="solution" question="momentum"
class Momentum(Optimizer):
    """Gradient descent with momentum; with momentum=0, plain gradient descent."""

    def __init__(self, params, lr, momentum=0.9):
        super().__init__(params, lr)
        self.momentum = momentum
        # BEGIN SOLUTION
        # STUB: # Make here what has to be kept from step to step.
        self.velocities = [np.zeros_like(p.data) for p in self.params]
        # END SOLUTION

    @no_grad()
    def step(self):
        """Moves every parameter that has a gradient."""
        # BEGIN SOLUTION
        for p, v in zip(self.params, self.velocities, strict=True):
            if p.grad is not None:
                v[...] = self.momentum * v + p.grad
                p.data -= self.lr * v
        # END SOLUTION


# %% part="public" question="momentum" points=2
def test_momentum_three_steps():
    """Three steps from w = 1 with the gradients 2, 1.6 and 1.08, for lr = 0.1 and momentum = 0.5."""
    w = _leaf(1.0)
    given = _steps(Momentum([w], lr=0.1, momentum=0.5), w, [[2.0], [1.6], [1.08]])
    mistakes = {
        "these are steps without momentum; is v kept from step to step?": [[0.8], [0.64], [0.532]],
        "the gradient is multiplied by 1 - momentum; in this rule v = momentum v + dp": [[0.9], [0.77], [0.651]],
        "the learning rate is in v already; in this rule it is not": [[0.98], [0.954], [0.9302]],
        "this is Nesterov's momentum; here p moves by v alone": [[0.7], [0.41], [0.183]],
        "the steps go uphill": [[1.2], [1.46], [1.698]],
        "p moves before v is computed; the new gradient belongs to v first": [[1.0], [0.8], [0.54]],
        "w does not move; `p = p - ...` only gives the name p to another array, so write p.data -= ...": [[1.0], [1.0], [1.0]],
    }
    expect("w after each of three steps of Momentum", given, [[0.8], [0.54], [0.302]], mistakes=mistakes)


# %% part="hidden" question="momentum" points=1
def test_momentum_of_two_numbers():
    """Four steps of two numbers, with momentum = 0.9 and with momentum = 0."""
    gradients = np.array([[1.0, -3.0], [0.5, 2.0], [-2.0, 0.0], [0.0, 1.0]])
    for m in (0.9, 0.0):
        w = _leaf(1.0, 2.0)
        given = _steps(Momentum([w], lr=0.2, momentum=m), w, gradients)[-1]
        # A gradient is still felt k steps later with the weight m^k: after four steps g_1 has moved w by 1 + m + m² + m³.
        felt = [1 + m + m**2 + m**3, 1 + m + m**2, 1 + m, 1]
        expect(f"w after four steps of Momentum with momentum={m}", given, [1.0, 2.0] - 0.2 * (felt @ gradients))


# %% part="hidden" question="momentum" points=2
def test_momentum_keeps_the_rules():
    """Several parameters, one of them without a gradient; .grad stays, and minidl notices the change."""
    _hold_to_the_rules(lambda params: Momentum(params, lr=0.1, momentum=0.9))


# %% [markdown] question="adam"
# ## Question 2: Adam (5 points)
#
# Complete `Adam` by the formulas above: `betas` is the pair (β1, β2), and eps is added to the root of v̂. (The paper also
# has a shorter form, with eps beside the root of v, which differs where gradients are as small as eps.) The same rules
# hold as in question 1: a parameter without a gradient stays, so does `.grad`, and minidl notices the change. When
# your optimizer works, multiply a loss by 1000 and see what becomes of its steps, and of those of `Momentum`.

# %% [markdown] question="adam" lang="zh"
# ## 第 2 题：Adam（5 分）
#
# 请按上面的公式完成 `Adam`：`betas` 是一对数 (β1, β2)，eps 加在 v̂ 的平方根上。（论文中还有一种简短的写法，eps 加在 v 的平方根上，当梯度与 eps 一样小时，结果不同。）第 1 题的要求在这里同样成立：没有梯度的参数保持不动，`.grad` 不变，minidl 能察觉改变。写好之后，把一个损失乘以 1000，看看它的各步有什么变化，`Momentum` 的各步又有什么变化。


# %% part="solution" question="adam"
class Adam(Optimizer):
    """Each weight moves by the average of its gradients over the root of the average of their squares."""

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, lr)
        self.betas, self.eps = betas, eps
        # BEGIN SOLUTION
        # STUB: # Make here what has to be kept from step to step.
        self.t = 0
        self.means = [np.zeros_like(p.data) for p in self.params]
        self.squares = [np.zeros_like(p.data) for p in self.params]
        # END SOLUTION

    @no_grad()
    def step(self):
        """Moves every parameter that has a gradient."""
        # BEGIN SOLUTION
        self.t += 1
        beta1, beta2 = self.betas
        for p, m, v in zip(self.params, self.means, self.squares, strict=True):
            if p.grad is not None:
                m[...] = beta1 * m + (1 - beta1) * p.grad
                v[...] = beta2 * v + (1 - beta2) * p.grad**2
                root = np.sqrt(v / (1 - beta2**self.t))
                p.data -= self.lr * m / (1 - beta1**self.t) / (root + self.eps)
        # END SOLUTION


# %% part="public" question="adam" points=2
def test_adam_first_step():
    """The first step, with lr = 0.5, for the gradients 2 and -200."""
    w = _leaf(1.0, -100.0)
    given = _steps(Adam([w], lr=0.5), w, [[2.0, -200.0]])[0]
    root = 0.001**0.5
    same = 0.999 * 0.1 * np.array([2.0, -200.0]) + 0.001 * np.array([2.0, -200.0]) ** 2
    mistakes = {
        "the averages are too small at first; divide by 1 - beta^t": [1 - 0.05 / root, -100 + 0.05 / root],
        "m is too small at first, too; divide it by 1 - beta1^t": [0.95, -99.95],
        "v is too small at first, too; divide it by 1 - beta2^t": [1 - 0.5 / root, -100 + 0.5 / root],
        "the average is divided by v̂, where its root belongs": [0.75, -99.9975],
        "it moves by 10 lr: has m its factor 1 - beta1, and is v made of the squares of the gradients?": [-4.0, -95.0],
        "the step goes uphill": [1.5, -100.5],
        "w does not move; `p = p - ...` only gives the name p to another array, so write p.data -= ...": [1.0, -100.0],
        "m and v are the same array; each needs one of its own": [1.0, -100.0] - 0.5 * same / 0.1 / (same / 0.001) ** 0.5,
    }
    expect("w after the first step of Adam", given, [0.5, -99.5], mistakes=mistakes)


# %% part="hidden" question="adam" points=1
def test_adam_five_steps():
    """Five steps of two numbers whose gradients change their signs, with betas of (0.5, 0.8)."""
    gradients = np.array([[1.0, -3.0], [0.5, 2.0], [-2.0, 0.1], [1.0, 1.0], [4.0, -0.5]])

    def path(beta1, beta2):
        place = np.array([1.0, 2.0])
        for t in range(1, 6):  # the average over the steps 1 ... t with the weights beta^(t - i)
            old = t - np.arange(1, t + 1)
            mean = np.average(gradients[:t], axis=0, weights=beta1**old)
            place = place - 0.1 * mean / np.average(gradients[:t] ** 2, axis=0, weights=beta2**old) ** 0.5
        return place

    kept, m, v = np.array([1.0, 2.0]), 0.0, 0.0
    for t, gradient in enumerate(gradients, start=1):
        m = (0.5 * m + 0.5 * gradient) / (1 - 0.5**t)
        v = (0.8 * v + 0.2 * gradient**2) / (1 - 0.8**t)
        kept = kept - 0.1 * m / v**0.5
    w = _leaf(1.0, 2.0)
    given = _steps(Adam([w], lr=0.1, betas=(0.5, 0.8)), w, gradients)[-1]
    mistakes = {
        "beta1 is for the average of the gradients, beta2 for that of their squares": path(0.8, 0.5),
        "m and v are divided by 1 - beta^t for good; they go on as they are, so give m̂ and v̂ names of their own": kept,
    }
    expect("w after five steps of Adam", given, path(0.5, 0.8), mistakes=mistakes)


# %% part="hidden" question="adam" points=1
def test_adam_where_eps_counts():
    """The first step where the gradient is as small as eps: half of lr."""
    w = _leaf(0.0)
    given = _steps(Adam([w], lr=1.0, eps=1e-3), w, [[1e-3]])[0]
    mistakes = {
        "eps is added to the root of v̂, not to v̂": [-1e-3 / (1e-3 + 1e-6) ** 0.5],
        "eps is added to the root of v̂; its square does not stand under the root": [-(0.5**0.5)],
        "eps stands beside the root of v, before the correction; here it is added to the root of v̂": [-1 / (1 + 0.001**-0.5)],
        "where is eps?": [-1.0],
    }
    expect("w after a step of Adam with a gradient as small as eps", given, [-0.5], mistakes=mistakes)


# %% part="hidden" question="adam" points=1
def test_adam_keeps_the_rules():
    """Several parameters, one of them without a gradient; .grad stays, and minidl notices the change."""
    _hold_to_the_rules(lambda params: Adam(params, lr=0.1))


# %% [markdown] question="rate"
# ## Question 3: the largest rate (4 points)
#
# - `largest_rate(curvature, momentum=0.0)`: the rate below which descent with this momentum comes to rest in a valley of
#   this curvature. Finish the derivation above.
# - `curvature(a, b)`: the curvature, across the valley, at the minimum of L = (a b - 1)² / 2 that descent reaches in
#   small steps from these weights. a is positive, b is 0 or positive, and in general they are not at the minimum. Give a
#   formula, not a simulation: use what stays the same on the way.

# %% [markdown] question="rate" lang="zh"
# ## 第 3 题：最大的学习率（4 分）
#
# - `largest_rate(curvature, momentum=0.0)`：在这个曲率的山谷中，学习率小于此值时，用这个动量的梯度下降才停得下来。请把上面的推导做完。
# - `curvature(a, b)`：从权重 a、b 出发，以很小的步子沿 L = (a b - 1)² / 2 下降，所到达的极小值处横跨山谷的曲率。a 为正，b 为 0 或为正，一般不在极小值处。请给出公式，而不是模拟：利用途中保持不变的量。


# %% part="solution" question="rate"
def largest_rate(curvature, momentum=0.0):
    """The learning rate beyond which descent with momentum leaves a valley of this curvature."""
    # BEGIN SOLUTION
    return 2 * (1 + momentum) / curvature
    # END SOLUTION


def curvature(a, b):
    """The curvature of L = (a b - 1)^2 / 2 at the minimum that small steps reach from a, b."""
    # BEGIN SOLUTION
    return np.sqrt((a**2 - b**2) ** 2 + 4)
    # END SOLUTION


# %% part="public" question="rate" points=1
def test_largest_rate_without_momentum():
    """A valley of curvature 4."""
    expect("largest_rate(4)", largest_rate(4), 0.5)


# %% part="public" question="rate" points=1
def test_curvature_at_a_minimum():
    """Weights that are at a minimum already: (1, 1) and (2, 1/2)."""
    expect("curvature(1, 1)", curvature(1, 1), 2.0)
    expect("curvature(2, 0.5)", curvature(2, 0.5), 4.25)


# %% part="hidden" question="rate" points=1
def test_largest_rate_with_momentum():
    """Valleys of curvature 5 and 0.3, with momentum 0.9 and 0.5."""
    for steep, m, right in ((5.0, 0.9, 0.76), (0.3, 0.5, 10.0)):
        mistakes = {
            "momentum is not used; it moves the largest rate, too": 2 / steep,
            "momentum makes it larger; put z = -1 into z² - (1 + m - lr λ) z + m = 0, and mind the signs": 2 * (1 - m) / steep,
            "1 / (1 - m) is how much longer the steps become, which is another question; put z = -1 into the equation": (
                2 / (1 - m) / steep
            ),
        }
        expect(f"largest_rate({steep}, momentum={m})", largest_rate(steep, momentum=m), right, mistakes=mistakes)


# %% part="hidden" question="rate" points=1
def test_curvature_that_descent_reaches():
    """Weights of your own, away from the minimum: where the flow downhill ends, computed in small steps."""
    start = Generator(7).stream(str(STUDENT)).uniform(2, 0.2, 2.5, dtype=np.float64)
    w = start.copy()

    def slope(w):
        return -(w[0] * w[1] - 1) * w[::-1]

    for _ in range(
        3000
    ):  # Runge and Kutta's steps of 0.02: an error of about 1e-8 in all, and e^-60 of the way is left at most
        k1 = slope(w)
        k2 = slope(w + 0.01 * k1)
        k3 = slope(w + 0.01 * k2)
        w = w + 0.02 / 6 * (k1 + 2 * k2 + 2 * k3 + slope(w + 0.02 * k3))
    a, b = start.tolist()
    given = curvature(a, b)
    start = "this is a² + b² at the start; what is it where descent ends?"
    expect("curvature(2, 0), where b begins at 0", curvature(2, 0), 20**0.5, mistakes={start: 4.0})  # the root of (4 - 0)² + 4
    at_the_start = {start: a * a + b * b}
    expect(f"curvature({a:.4f}, {b:.4f})", given, float(w @ w), 1e-5, at_the_start)


# %% [markdown] question="sharpness"
# ## Question 4: how steep a network is (4 points)
#
# Write `sharpness(gradient, w, rng, steps, eps)`: the eigenvalue of H that is largest in absolute value, with its sign,
# at the weights w, an array of one axis. `gradient(w)` returns the gradient there, an array like w. Use power
# iteration, with this many steps, from a random direction drawn from `rng` (`rng.normal(w.shape, dtype=np.float64)`): a
# direction chosen by hand may have nothing of the eigenvector in it. Return u · H u for a u of length 1, that of the last
# step or the one after it. Leave w as it was. The weights w + ε u are ε away from w only if u has length 1, in the first
# step, too.

# %% [markdown] question="sharpness" lang="zh"
# ## 第 4 题：一个网络有多陡（4 分）
#
# 写出 `sharpness(gradient, w, rng, steps, eps)`：在权重 w（只有一个轴的数组）处，H 的绝对值最大的特征值，带符号。`gradient(w)` 返回该处的梯度，是与 w 同样的数组。请用幂迭代，走这么多步，起始方向从 `rng` 随机抽取（`rng.normal(w.shape, dtype=np.float64)`）：自己挑选的方向可能恰好不含那个特征向量。返回长度为 1 的 u 的 u · H u，u 取最后一步的或其后的都可以。不要改变 w。只有 u 的长度为 1 时，w + ε u 与 w 的距离才是 ε，第一步也是如此。


# %% part="solution" question="sharpness"
def sharpness(gradient, w, rng, steps=50, eps=1e-4):
    """The eigenvalue of the loss's second derivatives that is largest in absolute value, with its sign."""
    # BEGIN SOLUTION
    hu = rng.normal(w.shape, dtype=np.float64)
    for _ in range(steps):
        u = hu / np.linalg.norm(hu)
        hu = (gradient(w + eps * u) - gradient(w - eps * u)) / (2 * eps)
    return float(u @ hu)
    # END SOLUTION


# %% part="public" question="sharpness" points=2
def test_sharpness_of_a_bowl():
    """L = w·A w / 2 with A = (3.6 0.8; 0.8 2.4), whose eigenvalues are 4, along (2, 1), and 2."""
    a, w = np.array([[3.6, 0.8], [0.8, 2.4]]), np.array([0.5, -1.0])
    given = sharpness(lambda w: a @ w, w, Generator(0))
    assert np.array_equal(w, [0.5, -1.0]), "sharpness changes the weights that it is given: compute new arrays, without +="
    if isinstance(given, float):
        assert not abs(given) > 1e6, f"sharpness is {given:g}: bring u back to length 1 before each step"
        first = sharpness(lambda w: a @ w, w, Generator(0), steps=1)
        assert abs(given - 4) < 4e-3 or given != first, (
            f"sharpness is {given:.6g} after 50 steps, as after one: go on with H u each time; does `return` stand in the loop?"
        )
    # 50 steps leave (2/4)^50 of the other eigenvector, and rounding in a quotient of 1e-4 leaves 1e-12.
    mistakes = {
        "w + ε u and w - ε u are 2 ε apart": 8.0,
        "the two gradients differ by 2 ε H u; divide by 2 ε": 8e-4,
        "u is not of length 1: its length is the root of the sum of squares, not its largest element": 5.0,
        "the sign is wrong: is it gradient(w + ε u) - gradient(w - ε u)?": -4.0,
    }
    expect("sharpness of a bowl with the eigenvalues 2 and 4", given, 4.0, 1e-3, mistakes)


# %% part="hidden" question="sharpness" points=1
def test_sharpness_in_twenty_directions():
    """Matrices of your own with known eigenvalues, one of them negative; the random start comes from rng, and steps counts."""
    rng = Generator(7).stream(str(STUDENT))
    turned, _ = np.linalg.qr(rng.normal((20, 20), dtype=np.float64))
    for largest in (9.0, -9.0):
        eigenvalues = np.append(largest, np.linspace(-3, 5, 19))
        a = turned * eigenvalues @ turned.T
        given = sharpness(lambda w, a=a: a @ w, turned[0].copy(), Generator(1))
        mistakes = {"the sign is lost; the eigenvalue is u · H u, not the length of H u": 9.0} if largest < 0 else {}
        # (5/9)^50 = 2e-13 of the others is left, times a factor for an unlucky start
        expect(f"sharpness where the eigenvalues are {largest:g} and others from -3 to 5", given, largest, 1e-3, mistakes)
    one, same, other = (sharpness(lambda w: a @ w, turned[0].copy(), Generator(seed), steps=1) for seed in (1, 1, 2))
    assert one == same, "sharpness gives two results for one seed: draw the random direction from rng, and nothing else"
    assert one != other, "after one step sharpness is the same for two seeds: draw the random direction from rng"
    for seed in range(100):
        once = sharpness(lambda w: a @ w, turned[0].copy(), Generator(seed), steps=1)
        assert abs(once) < 9.001, (
            f"after one step sharpness is {once:.3g}, where no eigenvalue is larger than 9: u · H u cannot be, if u has length 1, "
            "in the first step, too"
        )
    # One step leaves about as much of each of the twenty eigenvectors as there was of it in a random direction.
    assert abs(one + 9) > 0.01, "sharpness is exact after a single step: make as many steps of power iteration as it is told"


# %% part="hidden" question="sharpness" points=1
def test_sharpness_of_the_smallest_network():
    """L = (a b - 1)² / 2 at (2, 1/2) and at (1/10, 10), a bowl whose steepest direction is (1, -1), and a loss where ε counts."""
    for w, right in (([2.0, 0.5], 4.25), ([0.1, 10.0], 100.01)):
        given = sharpness(lambda w: (w[0] * w[1] - 1) * w[::-1], np.array(w), Generator(0))
        expect(f"sharpness of (a b - 1)² / 2 at {w}", given, right, 1e-3)
    a = np.array([[3.0, -1.0], [-1.0, 3.0]])
    given = sharpness(lambda w: a @ w, np.zeros(2), Generator(0))
    if isinstance(given, float):
        assert abs(given - 2) > 0.1, (
            "sharpness finds the smaller eigenvalue: begin with a random direction from rng, not with ones"
        )
    expect("sharpness of a bowl that is steepest along (1, -1)", given, 4.0, 1e-3)
    given = sharpness(lambda w: np.array([-6.0, 5.0]) * w, np.zeros(2), Generator(0), steps=200)  # (5/6)^200 = 1e-16 is left
    added = {"this finds the largest one, and -6 is larger in absolute value: multiply by H alone, and add nothing": 5.0}
    expect("sharpness where the eigenvalues are -6 and 5", given, -6.0, 1e-3, added)
    given = sharpness(lambda w: w**3, np.ones(1), Generator(0), eps=0.5)  # ((1 + εu)³ - (1 - εu)³) / (2 ε) u = 3 + ε², u = ±1
    mistakes = {
        "eps is not used": 3.0 + 1e-8,
        "the difference goes to one side only; take w + ε u and w - ε u": 4.75,
        "the difference goes to one side only; take the other side, too": 1.75,
    }
    expect("sharpness of w⁴ / 4 at 1 with eps = 1/2", given, 3.25, mistakes=mistakes)


# %% [markdown] question="train"
# ## Question 5: training, and the map (2 points)
#
# Write `train(model, optimizer, x, y, steps)`: this many steps on the whole batch with the cross-entropy
# (`F.cross_entropy(model(x), y)`). It returns the loss after the last step as a number, and `np.inf` if the loss was
# NaN or infinite at any time, for such a training has diverged. (A loss that is large but finite is returned.)
#
# Then run this file, or the last cell, for the picture; it takes about twenty seconds. Above on the left is the
# smallest network, from a = s and b = 0, and the line is your `largest_rate(curvature(s, 0))`. Where is the region in
# which it learns, and what cuts it off on each side? Is it cut off exactly at the line? (Beyond it, descent jumps
# across the valley, and may find a flatter one.) The other maps are a network that reads digits, with plain descent and
# with your Adam. Below on the right is the sharpness of this network while it learns, for three rates. The dashed lines
# are 2 / rate. What happens to a curve that meets its line?

# %% [markdown] question="train" lang="zh"
# ## 第 5 题：训练，以及画图（2 分）
#
# 写出 `train(model, optimizer, x, y, steps)`：用交叉熵（`F.cross_entropy(model(x), y)`）在整批数据上训练这么多步。它返回最后一步之后的损失，返回值是一个数；如果损失在任何时候成为 NaN 或无穷大，就返回 `np.inf`，因为这样的训练已经发散。（损失很大但仍是有限的数时，就返回这个数。）
#
# 然后运行这个文件（或最后一个单元格），把图画出来，大约需要二十秒。左上是最小的网络，从 a = s、b = 0 开始，线是你的 `largest_rate(curvature(s, 0))`。它能学习的区域在哪里，各边被什么截断？是不是正好截断在线上？（超过这条线，梯度下降会跳过山谷，也许找到一个更平缓的。）另外两张图是一个识别数字的网络，分别用普通的梯度下降和你的 Adam。右下是这个网络在学习过程中的曲率，三种学习率各一条，虚线是 2 / 学习率。曲线碰到自己的虚线时会怎样？


# %% part="solution" question="train"
def train(model, optimizer, x, y, steps):
    """The loss after this many steps on the batch x, y; infinite if it diverged."""
    # BEGIN SOLUTION
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        if not np.isfinite(loss.item()):
            return np.inf
        loss.backward()
        optimizer.step()
    last = F.cross_entropy(model(x), y).item()
    return last if np.isfinite(last) else np.inf
    # END SOLUTION


# %% part="public" question="train" points=1
def test_train_two_steps():
    """A layer of two units without bias, from 0, on two samples: the loss after one step and after two."""
    x, y = np.eye(2), np.array([0, 1])
    # By symmetry W = (c -c; -c c), the right class has the probability p = 1 / (1 + e^(-2c)), and c grows by lr (1 - p) / 2.
    one = 4 * (1 - 1 / 2) / 2
    two = one + 4 * (1 - 1 / (1 + np.exp(-2 * one))) / 2

    def loss(c):
        return np.log1p(np.exp(-2 * c))

    for steps, c in ((1, one), (2, two)):
        model = nn.Linear(2, 2, bias=False, weight_init=0.0, dtype=np.float64)
        given = train(model, optim.SGD(model.parameters(), lr=4.0), x, y, steps)
        for made, weight in enumerate((0.0, one, two)):
            assert made == steps or abs(model.weight.data[0, 0] - weight) > 1e-9, (
                f"train makes {made} of {steps} step{'s' * (steps > 1)}: is there an optimizer.step() for each?"
            )
        mistakes = {
            "this is the loss before the last step; compute it once more afterwards": loss(one if steps == 2 else 0),
            "gradients pile up from step to step; call optimizer.zero_grad() before each backward": loss(two + one),
        }
        expect(f"train(model, optimizer, x, y, {steps})", given, loss(c), mistakes=mistakes)


# %% part="hidden" question="train" points=1
def test_train_tells_of_divergence():
    """Infinite, not NaN: for weights that the last step spoils, and for NaN from the first. A loss that only grows is none."""
    # 400 samples, three quarters of them of the first class: the first step, by 40 (3/4 - 1/2), makes the scores 10 and -10.
    x, y = np.ones((400, 1)), np.repeat([0, 1], [300, 100])
    model = nn.Linear(1, 2, bias=False, weight_init=0.0, dtype=np.float64)
    mistakes = {
        "the loss grows in a step that is too long, but it is finite: that is not divergence": np.inf,
        "the loss after the last step is asked for, even where it was smaller before": np.log(2),
        "use the whole batch in each step": 0.0,
    }
    right = (3 * np.log1p(np.exp(-20)) + np.log1p(np.exp(20))) / 4
    given = train(model, optim.SGD(model.parameters(), lr=40.0), x, y, 1)
    expect("train on 400 samples, with lr = 40, where the loss grows,", given, right, mistakes=mistakes)
    y = np.array([0, 1, 1])
    for name, x, weight, steps in (("a rate of 1e38", 1e30, 0.0, 1), ("weights that are NaN", 1.0, np.nan, 3)):
        model = nn.Linear(1, 2, weight_init=0.0)
        model.weight.data[...] = weight
        with np.errstate(all="ignore"):
            given = train(model, optim.SGD(model.parameters(), lr=1e38), np.full((3, 1), x, np.float32), y, steps)
        assert isinstance(given, (float, np.floating)), f"train returned {given!r}, expected a number"
        assert given == np.inf, f"train returned {given} for {name}, expected np.inf, as the loss is not finite"


# %% part="given" question="train"
def small_network(a, b, rate, steps=200):
    """The loss of the smallest network after so many steps of your descent from a, b."""
    a, b = Tensor(np.array(a), requires_grad=True), Tensor(np.array(b), requires_grad=True)
    optimizer = Momentum([a, b], lr=rate, momentum=0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (a * b - 1) ** 2 / 2
        if not loss.item() < 1e6:
            return np.inf
        loss.backward()
        optimizer.step()
    return loss.item()


def reader(scale):
    """A network that reads digits, with weights of standard deviation scale / sqrt(n)."""
    weights = init.VarianceScaling(scale**2)
    sizes = [64, 32, 32, 10]
    layers = [nn.Linear(n, m, weight_init=weights) for n, m in pairwise(sizes)]
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2]).initialize(rng=0)


def sharpness_of(model, x, y):
    """Your sharpness of a model: its weights are put into one array, and taken out again."""
    parameters = list(model.parameters())
    before = [p.data.copy() for p in parameters]
    ends = np.cumsum([p.size for p in parameters])[:-1]

    def gradient(w):
        for p, part in zip(parameters, np.split(w, ends), strict=True):
            p.data, p.grad = part.reshape(p.shape).astype(p.dtype), None
        F.cross_entropy(model(x), y).backward()
        return np.concatenate([p.grad.ravel() for p in parameters]).astype(np.float64)

    found = sharpness(gradient, np.concatenate([p.ravel() for p in before]).astype(np.float64), Generator(0), 20, eps=1e-3)
    for p, values in zip(parameters, before, strict=True):
        p.data, p.grad = values, None
    return found


def draw():
    import matplotlib.pyplot as plt

    digits = data.digits()
    x, y = digits.x_train[:256], digits.y_train[:256]
    figure, panels = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")

    def heat_map(axes, title, scales, rates, loss):
        losses = [[min(loss(scale, rate), loss.worst) for scale in scales] for rate in rates]
        mesh = axes.pcolormesh(scales, rates, losses, cmap="viridis_r", vmin=0, vmax=loss.worst)
        axes.set(title=title, xscale="log", yscale="log", xlabel="scale of the weights", ylabel="learning rate")
        figure.colorbar(mesh, ax=axes, label="loss in the end")

    def smallest(s, rate):
        return small_network(s, 0.0, rate)

    smallest.worst = 0.5
    scales = np.geomspace(0.01, 8, 16)
    heat_map(panels[0, 0], "The smallest network, plain descent", scales, np.geomspace(0.003, 3, 16), smallest)
    panels[0, 0].plot(scales, [largest_rate(curvature(s, 0.0)) for s in scales], color="red", label="your largest rate")
    panels[0, 0].legend(loc="lower left")
    plain = "Reading digits, plain descent", lambda params, lr: Momentum(params, lr, momentum=0.0)
    for axes, (title, optimizer) in zip((panels[0, 1], panels[1, 0]), (plain, ("Reading digits, Adam", Adam)), strict=True):

        def reading(scale, rate, optimizer=optimizer):
            model = reader(scale)
            return train(model, optimizer(model.parameters(), lr=rate), x, y, 60)

        reading.worst = np.log(10)
        with np.errstate(all="ignore"):
            heat_map(axes, title, np.geomspace(0.1, 8, 9), np.geomspace(1e-3, 4, 9), reading)
    for rate in (0.2, 0.4, 0.8):
        model, seen = reader(1.4), []
        optimizer = Momentum(model.parameters(), lr=rate, momentum=0.0)
        for _ in range(20):
            seen.append(sharpness_of(model, x, y))
            train(model, optimizer, x, y, 10)
        (line,) = panels[1, 1].plot(range(0, 200, 10), seen, "o-", label=f"rate {rate:g}")
        panels[1, 1].axhline(largest_rate(1.0) / rate, color=line.get_color(), linestyle="--")
    panels[1, 1].set(title="Sharpness while it learns; dashed: 2 / rate", xlabel="step", ylabel="largest curvature")
    panels[1, 1].legend()
    figure.savefig("hw7.png", dpi=110)
    plt.show()


if __name__ == "__main__":
    draw()
