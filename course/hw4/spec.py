# %% [markdown]
# # 4. Symmetry: zeros, constants, and what breaks it
#
# Why are weights random at first? Zero seems a fair choice, and so does any other number: training will find what is
# right. In this assignment you show why it will not, and what exactly it is that a random number does. The task is to
# tell two circles of points apart, one inside the other, and the network is as small as possible:
#
#     a_ni = w_i · x_n + b_i        h_ni = tanh(a_ni)        s_n = (sum over the units i of v_i h_ni) + c
#
# x_n is a point in the plane. There are m hidden units. Unit i has a row w_i of the matrix W, a bias b_i and an
# outgoing weight v_i: these belong to it and to no other. The score s_n is positive for a point that is taken for one
# of the inner circle.
#
# ## Equal units stay equal
#
# Write e_n for dL/ds_n, the gradient that the loss sends to the score of sample n. The chain rule goes on from there:
#
#     dv_i = sum over n of  e_n h_ni
#     dw_i = v_i  sum over n of  e_n (1 - h_ni²) x_n
#     db_i = v_i  sum over n of  e_n (1 - h_ni²)
#     dc   = sum over n of  e_n
#
# Look at the indices. On the right of dw_i, db_i and dv_i there is nothing of any other unit: only v_i and h_ni,
# which is made of w_i and b_i, and then x_n and e_n, which are the same for all units. So the three gradients are one
# and the same function of (w_i, b_i, v_i) for every unit. Two units that are equal get equal gradients. An optimizer
# that treats all numbers by the same rule, and SGD, momentum and Adam all do, makes equal steps of them, and the
# units are equal again. By induction they stay so for ever. Such units are called *clones*.
#
# **Zeros.** If W, b and v are all 0, then h is tanh 0 = 0, so dv = 0, and v is 0, so dw = 0 and db = 0. Each of the
# two blocks the gradient of the other. Only c can move, and does unless the two classes are equal in number.
#
# **Constants.** If W, b and v have the same value in each unit, gradients flow, but the m units are clones. Then sum
# of v_i h_ni = (m v) tanh(w · x_n + b): whatever m is, the network computes what one unit with the outgoing weight
# u = m v computes. A single tanh unit is a slope between two plateaus. It can cut a plane in two, and it cannot see
# that one circle is inside the other.
#
# Is it the same as the network with one unit in training, too? Almost, and question 2 is about the difference.
# Compare, after one step with learning rate lr, by how much u = sum of v_i has moved, with what the one unit would
# have moved; then do the same for w. (dL/du is sum over n of e_n h_n, and dL/dw of the one unit has the factor u
# where a clone has v.)
#
# ## What breaks it
#
# Whatever makes the gradients of two units differ. By the formulas above that can be a difference between their w,
# their b or their v, and it need not be in all three. It can also be something that treats them differently on the
# way, such as dropout, which switches off different units for each sample. But first there must be a gradient at all:
# with ReLU in the place of tanh, a unit with w = 0 and b = 0 has the slope 0 for every sample, and nothing ever moves
# it.
#
# How large must the difference be? Say that two units differ by a small δ. Both move by -lr times one function G of
# their three numbers, so that after the step they differ by δ - lr (G(unit + δ) - G(unit)), which is nearly (1 - lr
# G'(unit)) δ. In each step δ is multiplied by a factor that does not depend on δ. If this factor g is larger than 1,
# the clones part like a needle that stands on its tip: δ becomes g^t δ after t steps. Until it has grown to about 1
# nothing is to be seen of it, and that takes
#
#     t = ln(1 / δ) / ln g        steps: a straight line, if it is drawn against the logarithm of δ.
#
# (It bends where the clones, all together, have moved on meanwhile, for g depends on where they are.)
#
# So the size of the random numbers hardly matters for the symmetry. What size they should have for other reasons is
# the subject of assignment 5.
#
# ## What is asked
#
# | question | | points |
# |---|---|---|
# | 1 | how many units are there really? | 3 |
# | 2 | one unit for all clones | 5 |
# | 3 | predictions | 5 |
# | 4 | an initializer | 3 |
# | 5 | how long it takes, and the picture | 4 |
#
# It takes about three hours, most of them for questions 2 and 3, with a pencil.

# %% [markdown] lang="zh"
# # 4. 对称性：全零、常数，以及打破对称性的是什么
#
# 权重为什么一开始要取随机数？全取零看来很公平，全取另一个数也一样：反正训练会把它们调到合适的值。这次作业请你说明为什么不行，以及随机数究竟起了什么作用。任务是区分平面上的两圈点，一圈在另一圈里面；网络则尽可能小：
#
#     a_ni = w_i · x_n + b_i        h_ni = tanh(a_ni)        s_n = (对神经元 i 求和 v_i h_ni) + c
#
# x_n 是平面上的一个点，隐藏神经元有 m 个。神经元 i 有矩阵 W 的一行 w_i、偏置 b_i 和输出权重 v_i，这些只属于它自己。得分 s_n 为正，表示判断这个点在里面的一圈上。
#
# ## 相同的神经元始终相同
#
# 把 dL/ds_n 记作 e_n，它是损失送给样本 n 的得分的梯度。由此继续使用链式法则：
#
#     dv_i = 对 n 求和  e_n h_ni
#     dw_i = v_i  对 n 求和  e_n (1 - h_ni²) x_n
#     db_i = v_i  对 n 求和  e_n (1 - h_ni²)
#     dc   = 对 n 求和  e_n
#
# 请看下标。dw_i、db_i 和 dv_i 的右边没有任何别的神经元的东西：只有 v_i 和 h_ni（后者由 w_i 和 b_i 算出），再就是 x_n 和 e_n，它们对所有神经元都一样。所以对每个神经元，这三个梯度都是 (w_i, b_i, v_i) 的同一个函数。两个神经元相同，得到的梯度就相同。只要优化器对所有的数都用同一条规则（SGD、动量、Adam 都是如此），它们的更新就相同，更新之后仍然相同。由归纳法，它们永远相同。这样的神经元叫作*副本*。
#
# **全零。** 如果 W、b、v 全为 0，那么 h = tanh 0 = 0，所以 dv = 0；而 v 为 0，所以 dw = 0，db = 0。两层互相挡住了对方的梯度，只有 c 可能会动：除非两类的点一样多，它就会动。
#
# **常数。** 如果 W、b、v 在每个神经元中取值都相同，梯度是有的，但 m 个神经元互为副本。这时 v_i h_ni 之和等于 (m v) tanh(w · x_n + b)：不论 m 是多少，这个网络算出的都与输出权重为 u = m v 的一个神经元相同。单个 tanh 神经元不过是两块平地之间的一道坡，它能把平面一分为二，却看不出一圈点在另一圈里面。
#
# 在训练中，它与只有一个神经元的网络也一样吗？几乎一样，而第 2 题问的正是差别在哪里。以学习率 lr 更新一步，比较 u = v_i 之和移动了多少，与那一个神经元会移动多少；再对 w 做同样的比较。（dL/du 等于对 n 求和 e_n h_n；在 dL/dw 中，副本的系数是 v，那一个神经元的系数则是 u。）
#
# ## 打破对称性的是什么
#
# 凡是使两个神经元的梯度不同的，都能打破对称性。由上面的公式可见，可以是 w 不同，可以是 b 不同，也可以是 v 不同，不必三者都不同。也可以是途中区别对待它们的东西，例如 dropout，它对每个样本关掉不同的神经元。但是首先要有梯度：如果用 ReLU 代替 tanh，w = 0 且 b = 0 的神经元对每个样本的斜率都是 0，什么也推不动它。
#
# 差别要多大才够？设两个神经元相差一个很小的 δ。两者的更新都是 -lr 乘以各自三个数的同一个函数 G，所以更新之后相差 δ - lr (G(unit + δ) - G(unit))，约等于 (1 - lr G'(unit)) δ，其中 unit 表示神经元的三个数。也就是说，每一步 δ 都乘以一个与 δ 无关的系数。这个系数 g 如果大于 1，副本就会像针尖朝下立着的针一样倒向两边：t 步之后 δ 变成 g^t δ。在它长到 1 左右之前，什么也看不出来，而这需要
#
#     t = ln(1 / δ) / ln g        步：以 δ 的对数为横轴，画出来就是一条直线。
#
# （如果副本在此期间一起移动了不少，直线就会弯曲，因为 g 取决于它们所在的位置。）
#
# 所以就打破对称性而言，随机数的大小几乎无关紧要。至于由于别的原因应当取多大，是第 5 次作业的内容。
#
# ## 题目
#
# | 题号 | | 分数 |
# |---|---|---|
# | 1 | 实际上有几个神经元？ | 3 |
# | 2 | 用一个神经元代替所有副本 | 5 |
# | 3 | 预测 | 5 |
# | 4 | 初始化方法 | 3 |
# | 5 | 需要多久，以及画图 | 4 |
#
# 大约需要三小时，大部分用在第 2 题和第 3 题上，要用纸和笔。

# %% part="setup"
import numpy as np

from minidl import data, nn, optim
from minidl import functional as F
from minidl.random import Generator

STUDENT = ""  # your id, if your instructor gave each student numbers of their own


def loss_of(model, x, labels):
    """The cross-entropy of the model's scores for two classes, 0 and 1."""
    return F.binary_cross_entropy_with_logits(model(x).reshape(-1), labels)


# %% part="tests"
from course.expect import expect
from minidl import init


def _own_circles(student):
    """40 points on the outer circle and 20 on the inner, the student's own, in double precision."""
    x, labels = data.circles(40, noise=0.1, rng=Generator(7).stream(str(student)))
    kept = np.r_[0:40, 40:80:2]  # were the classes equal in number, zeros would be moved by rounding alone
    return x[kept].astype(np.float64), labels[kept].astype(np.float64)


_ACTIVATIONS = {
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "relu": (lambda a: np.maximum(a, 0), lambda a: (a > 0).astype(float)),
    "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda a: np.exp(-a) / (1 + np.exp(-a)) ** 2),
}


def _trained(student, w, b, v, steps, lr, *, activation="tanh", adam=False, dropout=False):
    """W, b and v after these steps, and the scores, in plain NumPy; `lr` may be a number for each of W, b, v and c."""
    x, labels = _own_circles(student)
    rng = Generator(7).stream(f"{student} dropout")
    f, slope = _ACTIVATIONS[activation]
    parameters = [np.array(p, dtype=np.float64) for p in (w, b, v)] + [np.zeros(1)]
    rates = np.broadcast_to(lr, 4)
    means, squares = [0.0] * 4, [0.0] * 4
    for step in range(steps + 1):
        w, b, v, c = parameters
        a = x @ w.T + b
        mask = 2.0 * rng.bernoulli(a.shape, 0.5) if dropout else 1.0
        h = f(a) * mask
        scores = h @ v[0] + c
        if step == steps:
            return w, b, v, scores
        e = (1 / (1 + np.exp(-scores)) - labels) / len(x)
        da = np.outer(e, v[0]) * mask * slope(a)
        for i, g in enumerate([da.T @ x, da.sum(0), e[None] @ h, e.sum(keepdims=True)]):
            if adam:
                means[i], squares[i] = 0.9 * means[i] + 0.1 * g, 0.999 * squares[i] + 0.001 * g * g
                g = means[i] / (1 - 0.9 ** (step + 1)) / (np.sqrt(squares[i] / (1 - 0.999 ** (step + 1))) + 1e-8)
            parameters[i] = parameters[i] - rates[i] * g


def _number_of_kinds(w, b, v):
    """How many different units there are, found by comparing each unit with each."""
    rows = np.hstack([w, b[:, None], v.T])
    same = np.abs(rows[:, None] - rows[None]).max(axis=2) < 1e-9
    return len({tuple(row) for row in same})


# %% [markdown] question="units"
# ## Question 1: how many units are there really? (3 points)
#
# Write `distinct_units(w, b, v)`, which counts the different units. w has shape (m, inputs), b has shape (m,), and v
# has shape (outputs, m), as in `nn.Linear`: unit i is row i of w, b_i and *column* i of v, all of them. After some
# training clones may differ by rounding, so two units count as the same if no number of the one differs from that of
# the other by more than 1e-9. (There will be no chains of units each of which is that close to the next.) Return an
# int.

# %% [markdown] question="units" lang="zh"
# ## 第 1 题：实际上有几个神经元？（3 分）
#
# 请写 `distinct_units(w, b, v)`，数出互不相同的神经元有几个。w 的形状是 (m, inputs)，b 的形状是 (m,)，v 的形状是 (outputs, m)，与 `nn.Linear` 相同：神经元 i 是 w 的第 i 行、b_i 和 v 的第 i *列*，三者合在一起。训练一段时间以后，副本之间可能有舍入误差，所以如果两个神经元对应的数相差都不超过 1e-9，就算相同。（不会出现一串神经元，每个与下一个都如此接近。）返回一个 int。


# %% part="solution" question="units"
def distinct_units(w, b, v):
    """The number of different units: row i of w, b_i and column i of v make unit i."""
    # BEGIN SOLUTION
    found = []
    for unit in np.column_stack([w, b, v.T]):
        if not any(np.abs(unit - other).max() <= 1e-9 for other in found):
            found.append(unit)
    return len(found)
    # END SOLUTION


# %% part="public" question="units" points=1
def test_units_that_differ():
    """Units of which two are equal, whichever two, and units that differ in w, in b, in v or in their order alone."""
    w = np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 2.0], [1.0, 2.5]])
    expect("distinct_units of 4 units, of which the first 2 are equal,", distinct_units(w, np.zeros(4), np.ones((1, 4))), 3)
    every = {"it is 3, expected 2: is each unit compared with all that were found, or with the first alone?": 3}
    given = distinct_units(w[[0, 2, 2]], np.zeros(3), np.ones((1, 3)))
    expect("distinct_units of 3 units, of which the last 2 are equal,", given, 2, mistakes=every)
    w, b, v = np.ones((4, 2)), np.zeros(4), np.full((2, 4), 0.5)
    w[1, 1], b[2], v[1, 3] = 2.0, 0.1, 0.6
    expect("distinct_units of 4 units that differ in w, in b and in v alone", distinct_units(w, b, v), 4)
    w, sign = (
        np.array([[3.0, 2.0], [2.0, 2.0], [3.0, 2.0]]),
        "it is 1, expected 2: is the sign of a difference left out of account?",
    )
    expect("distinct_units of (3, 2), (2, 2), (3, 2)", distinct_units(w, np.zeros(3), np.ones((1, 3))), 2, mistakes={sign: 1})
    given = distinct_units(np.array([[1.0, 2.0], [2.0, 1.0]]), np.zeros(2), np.ones((1, 2)))
    expect("distinct_units of (1, 2) and (2, 1), which have one length and one sum,", given, 2)


# %% part="public" question="units" points=1
def test_units_that_are_clones():
    """Six clones, with one output and with three; 0 and -0 are the same number."""
    w, b = np.full((6, 2), 0.5), np.zeros(6)
    b[3] = -0.0
    expect("distinct_units of 6 clones, with one output,", distinct_units(w, b, np.ones((1, 6))), 1)
    expect("distinct_units of 6 clones, with three outputs,", distinct_units(w, b, np.arange(3.0)[:, None] * np.ones(6)), 1)


# %% part="hidden" question="units" points=1
def test_units_apart_by_rounding():
    """Clones that differ by 1e-12 or 5e-10 count as one; units that differ by 2e-9 or 1e-6 do not."""
    w = np.full((5, 2), 1 / 3)
    w[1, 0] += 1e-12
    w[2, 1] -= 1e-12
    expect("distinct_units of 5 clones that differ by 1e-12", distinct_units(w, np.zeros(5), np.ones((1, 5))), 1)
    w[3, 1] += 1e-6
    expect("distinct_units of 4 clones, and one unit that differs by 1e-6", distinct_units(w, np.zeros(5), np.ones((1, 5))), 2)
    for apart, right in ((5e-10, 1), (2e-9, 2)):
        given = distinct_units(np.array([[0.0, 1.0], [apart, 1.0]]), np.zeros(2), np.ones((1, 2)))
        expect(f"distinct_units of 2 units that differ by {apart:g}, where 1e-9 is the limit,", given, right)
    w = np.array([[1.0, 2.0], [1.0, 3.0]] * 2)
    w[:, 0] += 1e-12 * np.arange(4)
    apart = {"it is 4, expected 2: clones need not be neighbours when the units are sorted": 4}
    given = distinct_units(w, np.zeros(4), 1 + 1e-12 * np.arange(4)[None])
    expect("distinct_units of A, B, A, B, all apart by rounding,", given, 2, mistakes=apart)


# %% [markdown] question="clones"
# ## Question 2: one unit for all clones (5 points)
#
# A network has m clones, each with the incoming weights `w` (an array), the bias `b` and the outgoing weight `v`, both
# plain numbers, and is trained with SGD, without momentum, at the learning rate `lr`. Write `one_unit(w, b, v, m, lr)`.
# It returns a tuple of five that describes a network with a single unit: its incoming weights, its bias, its outgoing
# weight, the learning rate of its incoming weights and bias, and the learning rate of its outgoing weight. Return the
# first in the shape of `w`, and plain numbers for the other four. They must be such that both networks give the same
# scores before training and after every step. (c has the learning rate lr in both. Since tanh is odd, the weights of
# the one unit might also have all their signs turned: take those with the signs of the clones.)

# %% [markdown] question="clones" lang="zh"
# ## 第 2 题：用一个神经元代替所有副本（5 分）
#
# 某个网络有 m 个副本，每个的输入权重是 `w`（数组），偏置是 `b`，输出权重是 `v`（b 和 v 都是数），用不带动量的 SGD 训练，学习率为 `lr`。请写 `one_unit(w, b, v, m, lr)`，返回一个五元组，描述只有一个神经元的网络：它的输入权重、偏置、输出权重，输入权重和偏置所用的学习率，以及输出权重所用的学习率。第一项的形状与 `w` 相同，其余四项都是普通的数。要求两个网络在训练前和每一步之后给出的得分都相同。（两者的 c 的学习率都是 lr。tanh 是奇函数，所以把那个神经元的权重全部变号也可以；请取与副本符号相同的那一组。）


# %% part="solution" question="clones"
def one_unit(w, b, v, m, lr):
    """Incoming weights, bias, outgoing weight, and the learning rates of the first two and of the last."""
    # BEGIN SOLUTION
    return w, b, m * v, lr / m, lr * m
    # END SOLUTION


# %% part="tests"
def _own_unit(student):
    """The incoming weights, the bias and the outgoing weight of a unit, the student's own."""
    w0, w1, b, v = Generator(7).stream(f"{student} clones").normal(4, dtype=np.float64)
    return np.array([w0, w1]), b, v


def _clones(w, b, v, m):
    return np.tile(w, (m, 1)), np.full(m, b), np.full((1, m), v)


def _asked_for_one_unit(w, b, v, m, lr):
    """What one_unit returns: five things of the right kind, the first two of which are clear."""
    passed = w.copy()
    given = one_unit(passed, b, v, m, lr)
    assert given is not None, "one_unit(...) is None: does the function end with `return`?"
    five = isinstance(given, (tuple, list)) and len(given) == 5
    assert five, f"one_unit(...) is {given!r}, where a tuple of five is expected: w, b, v and two learning rates"
    assert np.array_equal(passed, w), "one_unit has changed the array w that it was given: leave it as it is"
    names = ("bias", "outgoing weight", "learning rate of w and b", "learning rate of the outgoing weight")
    for name, number in zip(names, given[1:], strict=True):
        assert isinstance(number, (int, float, np.number)) or (isinstance(number, np.ndarray) and number.shape == ()), (
            f"what one_unit returns for the {name} is {number!r}, where a plain number is expected"
        )
    turned = "all signs are turned. The scores would be the same, and the question asks for the signs of the clones"
    expect("the incoming weights of the one unit", given[0], w, mistakes={turned: -w})
    expect("the bias of the one unit", given[1], b)
    return given


def _one_trained(student, given, lr, steps):
    """W, b, v and the scores of the one unit after these steps."""
    w, b, v, lr_in, lr_out = (np.array(value, dtype=np.float64) for value in given)
    return _trained(student, w[None], b.reshape(1), v.reshape(1, 1), steps, [lr_in, lr_in, lr_out, lr])


# %% part="public" question="clones" points=2
def test_one_unit_before_training():
    """The scores of 5 clones, and of the one unit that stands for them, before training."""
    w, b, v = _own_unit(STUDENT)
    given = _asked_for_one_unit(w, b, v, 5, 0.3)
    right = _trained(STUDENT, *_clones(w, b, v, 5), 0, 0.3)[3]
    expect("the score, before training, of the one unit for 5 clones", _one_trained(STUDENT, given, 0.3, 0)[3], right)


# %% part="hidden" question="clones" points=2
def test_one_unit_after_steps():
    """What a step makes of 5 clones, and of the one unit that stands for them; and their scores after 20 steps."""
    w, b, v = _own_unit(STUDENT)
    given = _asked_for_one_unit(w, b, v, 5, 0.3)
    all_w, _, all_v, _ = _trained(STUDENT, *_clones(w, b, v, 5), 1, 0.3)
    one_w, _, u, _ = _one_trained(STUDENT, given, 0.3, 1)
    moved = u[0, 0] - float(given[2])
    expect("by how much a step moves u, the sum of the 5 outgoing weights: the one unit's", moved, all_v.sum() - 5 * v)
    expect("by how much a step moves w, the same in all 5 clones: the one unit's", one_w[0] - w, all_w[0] - w)
    # what differs by rounding, 6e-8 in single precision, grows by a few percent a step
    right = _trained(STUDENT, *_clones(w, b, v, 5), 20, 0.3)[3]
    expect("the score, after 20 steps, of the one unit for 5 clones", _one_trained(STUDENT, given, 0.3, 20)[3], right, 1e-4)


# %% part="hidden" question="clones" points=1
def test_one_unit_for_one():
    """Of a single clone nothing changes, whatever its learning rate."""
    w, b, v = _own_unit(STUDENT)
    given = _asked_for_one_unit(w, b, v, 1, 0.7)
    expect("the outgoing weight of the one unit for m = 1", given[2], v)
    expect("the learning rate of w and b for m = 1 and lr = 0.7", given[3], 0.7)
    expect("the learning rate of the outgoing weight for m = 1 and lr = 0.7", given[4], 0.7)


# %% [markdown] question="predictions"
# ## Question 3: predictions (5 points)
#
# The network above has m = 8 units and is trained on two circles, 40 points on the outer and 20 on the inner, with all
# samples in each step, for 50 steps with the learning rate 0.5 (Adam: 0.01). What W, b and v begin with stands in the
# list below; "random" means that all are different. c begins with 0. Where nothing is said of b, it is 0, and where
# nothing is said of the activation or the optimizer, they are tanh and SGD. The slope of ReLU at 0 is taken as 0.
# Predict two things for each line, and fill them in as a pair: does any number of W, b or v ever move, by more than
# rounding (True or False), and how many distinct units are there in the end, in the sense of question 1? (True, 3)
# means that something moves, and that 3 distinct units are there in the end.
#
# Use a pencil, not the computer: write down h, then dv, dw and db of the first step, then the second step where it is
# needed. The tests train all ten and compare. You can run the tests of the first four.

# %% [markdown] question="predictions" lang="zh"
# ## 第 3 题：预测（5 分）
#
# 上面的网络取 m = 8 个神经元，在两圈点上训练 50 步，外圈 40 个点，内圈 20 个点，每一步使用全部样本，学习率为 0.5（Adam 为 0.01）。W、b 和 v 的初值写在下面的表里；“random” 表示各不相同。c 的初值为 0。没有提到 b 时，b 为 0；没有提到激活函数和优化器时，它们是 tanh 和 SGD。ReLU 在 0 处的斜率取 0。请对每一行预测两件事，填成一对：W、b、v 中是否有任何一个数动过，舍入误差不算（True 或 False）；最后按第 1 题的含义有几个互不相同的神经元？例如 (True, 3) 表示有数动过，最后有 3 个互不相同的神经元。
#
# 请用笔，不要用计算机：写出 h，再写出第一步的 dv、dw 和 db，需要时再写第二步。测试会把这十种情况都训练一遍，与你的预测比较。前四种的测试你自己可以运行。


# %% part="solution" question="predictions"
# BEGIN SOLUTION
PREDICTIONS = {
    "W = 0, v = 0": (False, 1),
    "W = 0.5, v = 0.5": (True, 1),
    "W random, v = 0": (True, 8),
    "W = 0.5, v = 0.5, b random": (True, 8),
    "W = 0, v random": (True, 8),
    "W = 0.5, v = 0.5 and -0.5 by turns": (True, 2),
    "W = 0, v random, with ReLU": (False, 8),
    "W = 0, v = 0, with sigmoid": (True, 1),
    "W = 0.5, v = 0.5, with Adam": (True, 1),
    "W = 0.5, v = 0.5, with dropout of the units": (True, 8),
}
# STUB: PREDICTIONS = {
# STUB:     "W = 0, v = 0": None,
# STUB:     "W = 0.5, v = 0.5": None,
# STUB:     "W random, v = 0": None,
# STUB:     "W = 0.5, v = 0.5, b random": None,
# STUB:     "W = 0, v random": None,
# STUB:     "W = 0.5, v = 0.5 and -0.5 by turns": None,
# STUB:     "W = 0, v random, with ReLU": None,
# STUB:     "W = 0, v = 0, with sigmoid": None,
# STUB:     "W = 0.5, v = 0.5, with Adam": None,
# STUB:     "W = 0.5, v = 0.5, with dropout of the units": None,
# STUB: }
# END SOLUTION


# %% part="tests"
def _check_prediction(student, predictions, name, w, b, v, hint, **how):
    """Trains the network that this line of PREDICTIONS is about, and compares."""
    assert isinstance(predictions, dict), (
        f"PREDICTIONS is a {type(predictions).__name__}, where a dict of ten lines is expected"
    )
    assert name in predictions, f"PREDICTIONS has no line {name!r}: leave the names on the left as they were"
    given = predictions[name]
    assert given is not None, f"PREDICTIONS[{name!r}] is yours to write: a pair such as (True, 3), see the question"
    pair = isinstance(given, (tuple, list)) and len(given) == 2
    assert pair and type(given[0]) is bool and type(given[1]) is int, (  # noqa: PT018 - one sentence for all
        f"PREDICTIONS[{name!r}] is {given!r}: fill in a pair, such as (True, 3), which means that something moves, and "
        "that there are 3 distinct units in the end"
    )
    before = np.full((8, 2), 1.0) * w, np.full(8, 1.0) * b, np.full((1, 8), 1.0) * v
    after = _trained(student, *before, 50, 0.01 if how.get("adam") else 0.5, **how)[:3]
    moves = any(np.abs(p - q).max() > 1e-9 for p, q in zip(before, after, strict=True))
    assert given[0] == moves, (
        f"{name}: you say that {'something' if given[0] else 'nothing'} moves, and in training "
        f"{'something' if moves else 'nothing'} does; {hint}"
    )
    kinds = _number_of_kinds(*after)
    assert given[1] == kinds, f"{name}: you say {given[1]} for the distinct units in the end, and the number is {kinds}; {hint}"


def _own_random(student, *shape):
    return Generator(7).stream(f"{student} random").normal(shape, dtype=np.float64)


# %% part="public" question="predictions" points=1
def test_predictions_for_constants():
    """What becomes of zeros, and of another constant."""
    _check_prediction(STUDENT, PREDICTIONS, "W = 0, v = 0", 0, 0, 0, "h is 0, and so is v: what are dv, dw and db?")
    _check_prediction(
        STUDENT,
        PREDICTIONS,
        "W = 0.5, v = 0.5",
        0.5,
        0,
        0.5,
        "h and v are not 0, and is there anything in which two units differ?",
    )


# %% part="public" question="predictions" points=1
def test_predictions_for_one_random_part():
    """What becomes of random weights below an output of zeros, and of constants with random biases."""
    _check_prediction(
        STUDENT,
        PREDICTIONS,
        "W random, v = 0",
        _own_random(STUDENT, 8, 2),
        0,
        0,
        "units differ in w; dw is 0 in the first step, but what is dv?",
    )
    hint = "units with different b have different h, so what of dv?"
    _check_prediction(STUDENT, PREDICTIONS, "W = 0.5, v = 0.5, b random", 0.5, _own_random(STUDENT, 8), 0.5, hint)


# %% part="hidden" question="predictions" points=1
def test_predictions_for_outgoing_weights():
    """What becomes of W = 0 with random outgoing weights, and of constants with outgoing weights of either sign."""
    _check_prediction(
        STUDENT,
        PREDICTIONS,
        "W = 0, v random",
        0,
        0,
        _own_random(STUDENT, 1, 8),
        "the slope of tanh at 0 is 1, so dw_i is v_i times the same for all",
    )
    signs = np.array([1, -1] * 4)
    hint = "h is not 0, so dv is not; units with the same v are clones, and those with v and -v are not"
    _check_prediction(STUDENT, PREDICTIONS, "W = 0.5, v = 0.5 and -0.5 by turns", 0.5, 0, 0.5 * signs, hint)


# %% part="hidden" question="predictions" points=1
def test_predictions_for_other_activations():
    """What becomes of W = 0 with ReLU, and of zeros with sigmoid."""
    hint = "the slope of ReLU at 0 is taken as 0, and h is 0: what is left of the gradients? And v belongs to a unit, too"
    _check_prediction(
        STUDENT, PREDICTIONS, "W = 0, v random, with ReLU", 0, 0, _own_random(STUDENT, 1, 8), hint, activation="relu"
    )
    hint = "h is 1/2 in every unit, so dv_i is half of dc, and is that 0? And does anything tell the units apart?"
    _check_prediction(STUDENT, PREDICTIONS, "W = 0, v = 0, with sigmoid", 0, 0, 0, hint, activation="sigmoid")


# %% part="hidden" question="predictions" points=1
def test_predictions_for_adam_and_dropout():
    """What Adam and dropout make of constants."""
    hint = "h is not 0, so dv is not; and Adam treats all numbers by the same rule: equal gradients, equal steps"
    _check_prediction(STUDENT, PREDICTIONS, "W = 0.5, v = 0.5, with Adam", 0.5, 0, 0.5, hint, adam=True)
    hint = "h is not 0 where a unit is on; each is switched off for other samples, so no two get the same gradient"
    _check_prediction(STUDENT, PREDICTIONS, "W = 0.5, v = 0.5, with dropout of the units", 0.5, 0, 0.5, hint, dropout=True)


# %% [markdown] question="initializer"
# ## Question 4: an initializer (3 points)
#
# Write `nearly_constant(value, noise)`. It returns an initializer, that is, a function of a shape and a generator
# that returns an array of this shape: `value`, plus a random number in each place with the mean 0 and the standard
# deviation `noise`, which you draw from the generator that the function is given (docs/extending.md, "An
# initializer"). Draw in double precision, with `dtype=np.float64`, since in single precision 0.5 + 1e-9 is 0.5.

# %% [markdown] question="initializer" lang="zh"
# ## 第 4 题：初始化方法（3 分）
#
# 请写 `nearly_constant(value, noise)`。它返回一个初始化方法，也就是一个函数，它的参数是形状和随机数生成器，返回值是这个形状的数组：每个位置上是 `value` 加上一个随机数，随机数的均值为 0，标准差为 `noise`，从传给这个函数的生成器抽取（见 docs/extending.md 中的 “An initializer” 一节）。请用双精度抽取（`dtype=np.float64`），因为在单精度下，0.5 + 1e-9 就等于 0.5。


# %% part="solution" question="initializer"
def nearly_constant(value, noise):
    """An initializer: a value, plus noise of this standard deviation in each place."""

    def initializer(shape, rng):
        # BEGIN SOLUTION
        return rng.normal(shape, mean=value, std=noise, dtype=np.float64)
        # END SOLUTION

    return initializer


# %% part="tests"
def _check_nearly_constant(value, noise):
    """The mean and the standard deviation of nearly_constant(value, noise), then what init.check says of it."""
    what = f"nearly_constant({value}, {noise})"
    initializer = nearly_constant(value, noise)
    assert callable(initializer), f"{what} is {initializer!r}, where a function is expected: end with `return initializer`"
    values = initializer((200, 200), Generator(1))
    assert values is not None, f"{what} gives no array, it returns None: does the inner function end with `return`?"
    expect(f"the shape of an array of {what}", np.shape(values), (200, 200))
    mean, std = np.mean(values), np.std(values)
    # five standard errors of the mean of 40,000 numbers
    centred = abs(mean - value) < 5 * max(std, noise) / 200
    assert centred, f"the mean is {mean:.3g} for {what}, expected {value}: each number is value, plus noise around 0"
    assert std > 0, f"all numbers of {what} are {mean:.3g}: is noise added, or multiplied by value?"
    report = init.check(initializer, variance=init.Normal(float(value), noise))
    mistakes = {
        "noise is multiplied by value, where it should be added": abs(value) * noise,
        "it is the root of noise: noise is the standard deviation, is the root taken once too often?": noise**0.5,
        "it is the square of noise: noise is the standard deviation": noise**2,
        "the variance is 1/3 of noise²: U(-noise, noise) has the standard deviation noise / sqrt(3)": noise / 3**0.5,
        "the variance is 1/12 of noise²: U(-1/2, 1/2) has the standard deviation 1 / sqrt(12)": noise / 12**0.5,
    }
    # the standard deviation of 40,000 normal numbers is known to 1 / sqrt(80,000) = 0.35 %
    said = "".join([f"; {sentence}" for sentence, wrong in mistakes.items() if abs(std - wrong) <= 0.02 * wrong][:1])
    problem = "" if report else report.problems[0]
    if problem.startswith("the variance"):
        problem = f"the standard deviation is {std:.3g}, expected {noise}{said}"
    assert not problem, f"{what}: {problem}"


# %% part="public" question="initializer" points=1
def test_nearly_constant_value_and_noise():
    """Mean, standard deviation and shape of nearly_constant(0.5, 0.1), and that all comes from the generator."""
    _check_nearly_constant(0.5, 0.1)


# %% part="hidden" question="initializer" points=1
def test_nearly_constant_without_a_value():
    """Mean, standard deviation and shape of nearly_constant(0, 2.5), and that all comes from the generator."""
    _check_nearly_constant(0, 2.5)


# %% part="hidden" question="initializer" points=1
def test_nearly_constant_with_little_noise():
    """The standard deviation of nearly_constant(0.5, 1e-9), which single precision would round off."""
    values = nearly_constant(0.5, 1e-9)((200, 200), Generator(0))
    expect("an array of nearly_constant(0.5, 1e-9)", values, np.full((200, 200), 0.5))
    single = "nearly_constant(0.5, 1e-9) is in single precision: draw with dtype=np.float64, and add in it"
    assert np.asarray(values).dtype == np.float64, single
    lost = "nearly_constant(0.5, 1e-9) is 0.5 everywhere, in double precision, too: is the standard deviation noise itself?"
    assert np.std(values) > 1e-12, lost
    # the standard deviation of 40,000 normal numbers is known to 1 / sqrt(80,000) = 0.35 %
    expect("the standard deviation of nearly_constant(0.5, 1e-9)", np.std(values), 1e-9, 0.02)


# %% [markdown] question="steps"
# ## Question 5: how long it takes (4 points)
#
# Write `steps_until(model, x, labels, lr, below, most=5000)`. Train the model itself, not a copy, with gradient descent:
# all samples in each step, `loss_of(model, x, labels)` for the loss, and `optim.SGD` without momentum and without weight
# decay, or a loop of your own, for the step. Return the number of steps that were made before the loss was smaller than
# `below` for the first time; 0 if it is at once, and `most` if it is not after that many.
#
# Then, with questions 1, 4 and 5 answered, run the file (in a notebook, its last cell) for the picture. On the left are
# the scores of eight clones, in the middle those of eight units that differed by 0.001 in the beginning. On the right is
# the number of steps against that difference. Work out for yourself, from the slope of the line, by what factor the
# difference grows with each step, and how many steps more it takes if the difference is half as large; then let
# `steps_until` count them. (Far below 1e-10 it takes longer than the line says, for meanwhile the clones, all together,
# come to where the factor is smaller. Rounding alone may part them in the end: NumPy's matrix product may round some
# columns in another way than others.)

# %% [markdown] question="steps" lang="zh"
# ## 第 5 题：需要多久（4 分）
#
# 请写 `steps_until(model, x, labels, lr, below, most=5000)`。用梯度下降训练传入的模型本身，而不是它的拷贝：每一步使用全部样本，损失用 `loss_of(model, x, labels)`，更新用不带动量、也不带权重衰减的 `optim.SGD`，或自己写的循环。返回损失第一次小于 `below` 之前做了多少步：如果一开始就小于，返回 0；如果做了 `most` 步仍不小于，返回 `most`。
#
# 做完第 1、4、5 题以后，运行这个文件（在 notebook 中则是最后一个单元格），把图画出来。左图是八个副本给出的得分，中图是八个神经元给出的得分，它们一开始相差 0.001。右图是步数与这个差别的关系。请自己由直线的斜率算一算，每一步差别变为原来的几倍；如果一开始的差别只有一半，又要多走几步？再用 `steps_until` 数一数。（差别远小于 1e-10 时，需要的步数比直线给出的更多，因为在此期间副本一起走到了系数较小的地方。最后，仅仅舍入误差也可能使它们分开：NumPy 的矩阵乘法对各列的舍入可能不同。）


# %% part="solution" question="steps"
def steps_until(model, x, labels, lr, below, most=5000):
    """How many steps of gradient descent it takes until the loss is smaller than `below`; at most `most`."""
    # BEGIN SOLUTION
    optimizer = optim.SGD(model.parameters(), lr=lr)
    for step in range(most):
        loss = loss_of(model, x, labels)
        if loss.item() < below:
            return step
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return most
    # END SOLUTION


# %% part="tests"
def _one_weight():
    """s = w x + b, which begins at 0: with x = 1, label 1 and lr = 1 the losses are 0.69, 0.31, 0.19, 0.14."""
    return nn.Linear(1, 1, weight_init=0.0, dtype=np.float64), np.array([[1.0]]), np.array([1.0])


_NEVER = "the loss never got there in 5000 steps: does a step change the parameters, and against their gradients?"


# %% part="public" question="steps" points=1
def test_steps_of_one_weight():
    """The number of steps of s = w x + b with lr = 1, whose loss is 0.69, then 0.31, then 0.19, and its weight after one."""
    model, x, labels = _one_weight()
    given = steps_until(model, x, labels, 1.0, 0.5)
    expect("the number of steps until 0.69, 0.31, 0.19 is below 0.5", given, 1, mistakes={_NEVER: 5000})
    copied = {"it is 0, expected 0.5: train the model itself, and no copy of it": [[0.0]]}
    expect("the weight of the model after one step", model.weight, [[0.5]], mistakes=copied)
    some = {_NEVER: 5000, "it is 3, expected 2: are all parameters trained, the bias, too?": 3}
    expect("the number of steps until 0.69, 0.31, 0.19 is below 0.3", steps_until(*_one_weight(), 1.0, 0.3), 2, mistakes=some)
    early = {"it is 1, expected 2: 0.3133 is not smaller than 0.313": 1, _NEVER: 5000}
    expect(
        "the number of steps until 0.69, 0.3133, 0.19 is below 0.313",
        steps_until(*_one_weight(), 1.0, 0.313),
        2,
        mistakes=early,
    )


# %% part="public" question="steps" points=1
def test_steps_of_a_loss_that_is_small_at_once():
    """No step is needed, and none is made, where the loss is small enough at once."""
    model, x, labels = _one_weight()
    expect("the number of steps until 0.69 is below 0.7", steps_until(model, x, labels, 1.0, 0.7), 0)
    expect("the weight where no step is needed", model.weight, [[0.0]])


# %% part="tests"
def _descended(x, labels, lr, steps):
    """The weights and the losses of s = w · x + b after 0, 1, 2, ... of these steps from 0, in plain NumPy."""
    x, weights, losses = np.column_stack([x, np.ones(len(x))]), [np.zeros(x.shape[1] + 1)], []
    for _ in range(steps + 1):
        scores = x @ weights[-1]
        losses.append(np.mean(np.log1p(np.exp(-np.where(labels == 1, scores, -scores)))))
        weights.append(weights[-1] - lr * x.T @ (1 / (1 + np.exp(-scores)) - labels) / len(x))
    return [w[:-1] for w in weights[:-1]], losses


# %% part="hidden" question="steps" points=1
def test_steps_go_by_their_own_gradient():
    """The steps of s = w x + b until the loss is below 0.15, and the weights after one step and two on 40 samples."""
    given = steps_until(*_one_weight(), 1.0, 0.15)
    more = "it is 2, where 3 is right: a step uses more than its own gradient. Set .grad to None before backward(), no momentum"
    expect("the number of steps until 0.69, 0.31, 0.19, 0.14 is below 0.15", given, 3, mistakes={more: 2})
    given = steps_until(*_one_weight(), 1.0, 0.15, 4)
    last = {"it is 4, expected 3: after 3 steps the loss is 0.14. Is the last of them made, and the loss looked at?": 4}
    expect("the number of steps until 0.69, 0.31, 0.19, 0.14 is below 0.15 for most = 4", given, 3, mistakes=last)
    expect(
        "the number of steps until 0.69, 0.47, 0.36, 0.28 is below 0.3, with lr = 0.5,",
        steps_until(*_one_weight(), 0.5, 0.3),
        3,
    )
    x = Generator(7).stream(f"{STUDENT} samples").normal((40, 2), dtype=np.float64)
    labels = (x[:, 0] > x[:, 1]).astype(np.float64)
    weights, losses = _descended(x, labels, 0.5, 2)
    for steps in (1, 2):
        model = nn.Linear(2, 1, weight_init=0.0, dtype=np.float64)
        steps_until(model, x, labels, 0.5, (losses[steps - 1] + losses[steps]) / 2)
        got, right = np.ravel(model.weight.data), weights[steps]
        assert not np.allclose(got, 40 * weights[1]), "a step uses the gradient of the sum of the losses: loss_of is their mean"
        assert np.allclose(got, right, rtol=1e-6), (
            f"on 40 samples, with lr = 0.5 and until step {steps}, the weights become {np.round(got, 6)}, expected "
            f"{np.round(right, 6)}: a step is lr times the gradient of the mean loss of all samples, without momentum "
            "or weight decay"
        )


# %% part="hidden" question="steps" points=1
def test_steps_that_do_not_end():
    """Eight clones on two circles, whose loss does not get below 0.5 in 100 steps."""

    class Impatient(nn.Sequential):
        calls = 0

        def forward(self, x):
            Impatient.calls += 1
            assert Impatient.calls <= 1000, "steps_until goes on after 1000 scores, where most = 100: when does its loop end?"
            return super().forward(x)

    hidden, output = (nn.Linear(*sizes, weight_init=0.5, dtype=np.float64) for sizes in ((2, 8), (8, 1)))
    given = steps_until(Impatient(hidden, nn.Tanh(), output), *_own_circles(STUDENT), 1.0, 0.5, 100)
    expect("the number of steps where the loss stays large, most = 100,", given, 100)


# %% part="given" question="steps"
def network(noise, seed=0):
    """2-8-1 with tanh, whose hidden units differ by this much."""
    rng = Generator(seed)
    hidden = nn.Linear(2, 8, weight_init=nearly_constant(1.0, noise), rng=rng, dtype=np.float64)
    return nn.Sequential(hidden, nn.Tanh(), nn.Linear(8, 1, weight_init=0.2, dtype=np.float64))


def draw_scores(axes, model, x, labels, title):
    """The scores of the model in the plane, and the points."""
    a = np.linspace(-1.5, 1.5, 80)
    scores = model(np.stack(np.meshgrid(a, a), axis=-1).reshape(-1, 2)).data.reshape(80, 80)
    axes.contourf(a, a, np.clip(scores, -3, 3), levels=np.linspace(-3, 3, 13), cmap="PuOr", alpha=0.6)
    axes.contour(a, a, scores, levels=[0], colors="black", linewidths=1)
    for k, marker in enumerate("o^"):
        axes.plot(*x[labels == k].T, marker, markersize=3, color="#2d004b" if k else "#7f3b08")
    w, b, v = model[0].weight.data, model[0].bias.data, model[2].weight.data
    axes.set(title=f"{title}: {distinct_units(w, b, v)} distinct of 8", aspect="equal", xticks=[], yticks=[])


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    x, labels = data.circles(100, noise=0.05, rng=0)
    x, labels = x.astype(np.float64), labels.astype(np.float64)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    for place, noise, title in ((0, 0.0, "clones"), (1, 1e-3, "noise of 0.001")):
        model = network(noise)
        steps_until(model, x, labels, 1.0, 0.1, 1000)
        draw_scores(axes[place], model, x, labels, title)
    noises = np.logspace(-1, -10, 10)
    axes[2].semilogx(noises, [steps_until(network(noise), x, labels, 1.0, 0.3) for noise in noises], marker="o")
    axes[2].set(title="How long the symmetry lasts", xlabel="difference in the beginning", ylabel="steps until the loss is 0.3")
    axes[2].set_ylim(bottom=0)
    figure.savefig("hw4.png", dpi=110)
    print("hw4.png is written")
    plt.show()
