# %% [markdown]
# # 2. Backward of tanh, linear and softmax cross-entropy
#
# A network computes its loss L by one operation after another. Back-propagation goes through the same operations in
# reverse and asks each of them one question: if the derivative of L by your result is this, what is the derivative of
# L by each of your inputs? We write dy for dL/dy, an array with y's shape, and dx for dL/dx, an array with x's shape.
# You will answer the question for the three operations that a small classifier is made of, check your answers with
# differences, and then train it to read digits with nothing but what you wrote.
#
# ## The chain rule for arrays
#
# Raise one element x_k by a small t. Each y_i then changes by t times ∂y_i/∂x_k, and each of these changes moves L by
# dy_i times as much. Together:
#
#     dx_k = sum over i of  dy_i ∂y_i/∂x_k
#
# Everything below is this one line. The table of all ∂y_i/∂x_k is never written down. It would be huge, and in each
# operation something makes the sum short.
#
# **Elementwise operations.** If y_i depends on x_i alone, one term is left: dx_i = dy_i f'(x_i). For y = tanh
# x = (e^x - e^-x) / (e^x + e^-x) the quotient rule gives
#
#     dy/dx = ((e^x + e^-x)² - (e^x - e^-x)²) / (e^x + e^-x)² = 1 - y²
#
# So the result is all that must be kept for the backward pass. The slope is 1 at x = 0, and nearly 0 where the unit
# is saturated.
#
# **Linear layers.** y = x Wᵀ + b, where a row of x is a sample and a row of W is a unit. With indices, for sample n,
# unit i and input k:
#
#     y_ni = sum over k of  x_nk W_ik  +  b_i
#
# Now ask where each element is used. x_nk is used in sample n by every unit i, each time with the factor W_ik. W_ik
# is used by unit i in every sample n, with the factor x_nk. b_i is used by unit i in every sample, with the factor 1.
# What is used several times gets a sum:
#
#     dx_nk = sum over i of  dy_ni W_ik
#     dW_ik = sum over n of  dy_ni x_nk
#     db_i  = sum over n of  dy_ni
#
# Two of these sums are matrix products. Which ones you will find by the shapes: only one order of the factors, with
# the right one transposed, gives dx the shape of x.
#
# **Softmax and cross-entropy.** The scores z_nj of sample n become probabilities p_nj, and its loss is the negative
# logarithm of the probability of the right class t:
#
#     p_nj = e^z_nj / (sum over k of e^z_nk)
#     L_n  = -ln p_nt = ln(sum over k of e^z_nk) - z_nt
#
# The derivative of the first term by z_nj is e^z_nj / (sum over k of e^z_nk), which is p_nj again. That of the second
# is -1 for j = t, and 0 otherwise. The loss of a batch is the mean of the L_n over its N samples, so that
#
#     dz_nj = dL (p_nj - [j = t]) / N
#
# Here dL is the gradient that `backward` is given, 1 if the loss is the last result, and [j = t] is 1 for j = t and 0
# otherwise. Each row of dz adds up to 0. It has to, since the same number added to all scores of a sample changes no
# probability. This also tells how to compute them: subtract the largest score of each row first, and e^z cannot
# overflow. Then take ln p_nt as a difference, as above, and not as the logarithm of a p_nt that may have been rounded
# to 0.
#
# ## Is it right? Ask the differences
#
# A derivative can be checked without knowing its formula. Expand f around x:
#
#     f(x ± ε) = f(x) ± ε f'(x) + ε² f''(x) / 2 ± ε³ f'''(x) / 6 + ...
#
# The one-sided quotient (f(x + ε) - f(x)) / ε is therefore off by about ε f''(x) / 2. In the central one,
# (f(x + ε) - f(x - ε)) / (2 ε), the even terms cancel, and it is off by about ε² f'''(x) / 6. But f itself is
# rounded, with a relative error of about u = 1e-16 in double precision, and divided by ε this becomes u |f(x)| / ε: a
# smaller ε makes it worse. The two errors balance near ε = √u = 1e-8 for the one-sided quotient, which leaves an
# error of about 1e-8. For the central one it is near ε = ∛u = 5e-6, and the error is about 1e-11. You will see both
# valleys in your picture.
#
# `minidl.gradcheck` does this for every element of every input, for L = sum of dy · y with a random dy. Why random?
# With dy = 1 everywhere, a backward that forgets to multiply by dy would pass.
#
# ## What is asked
#
# | question | | points |
# |---|---|---|
# | 1 | difference quotients | 4 |
# | 2 | tanh | 4 |
# | 3 | linear | 5 |
# | 4 | softmax cross-entropy | 5 |
# | 5 | a step of training, and the picture | 2 |
#
# It takes about three hours. Read docs/extending.md, section "An operation", first: it shows what `record` is given.
# The tests that you see give 11 of the 20 points. The hidden ones check everything that the questions ask, also what no
# visible test touches (arrays of any shape, large scores, several steps).

# %% [markdown] lang="zh"
# # 2. tanh、线性层与 softmax 交叉熵的反向传播
#
# 网络经过一个接一个的运算算出损失 L。反向传播沿着同样的运算往回走，对每个运算只问一个问题：已知 L 对它的结果的导数，L 对它的每个输入的导数是多少？我们把 dL/dy 记作 dy，它与 y 形状相同；把 dL/dx 记作 dx，它与 x 形状相同。一个小型分类器由三种运算组成，你要对这三种运算各回答一次这个问题，用差商检验自己的答案，然后只用自己写的函数，训练它识别数字。
#
# ## 数组的链式法则
#
# 把某个元素 x_k 增加一个很小的 t，每个 y_i 就改变 t 乘以 ∂y_i/∂x_k，而每个 y_i 的改变又使 L 改变它的 dy_i 倍。合起来：
#
#     dx_k = 对 i 求和  dy_i ∂y_i/∂x_k
#
# 下面的一切都出自这一行。所有 ∂y_i/∂x_k 排成的那张大表（雅可比矩阵）从来不必写出来：它太大了，而且每个运算都有某种特点，使这个和变得很短。
#
# **逐元素的运算。** 如果 y_i 只依赖 x_i，和式里就只剩一项：dx_i = dy_i f'(x_i)。对 y = tanh x = (e^x - e^-x) / (e^x + e^-x)，由商的求导法则得
#
#     dy/dx = ((e^x + e^-x)² - (e^x - e^-x)²) / (e^x + e^-x)² = 1 - y²
#
# 所以只要留下前向传播的结果，反向传播就够用了。x = 0 处斜率为 1；神经元饱和时，斜率接近 0。
#
# **线性层。** y = x Wᵀ + b，x 的每一行是一个样本，W 的每一行对应一个神经元。写成下标的形式，对样本 n、神经元 i、输入 k：
#
#     y_ni = 对 k 求和  x_nk W_ik  +  b_i
#
# 现在看每个元素用在了哪里。x_nk 在样本 n 中被每个神经元 i 用到，系数是 W_ik；W_ik 在每个样本 n 中被神经元 i 用到，系数是 x_nk；b_i 在每个样本中被神经元 i 用到，系数是 1。用到多次，梯度就是各次之和：
#
#     dx_nk = 对 i 求和  dy_ni W_ik
#     dW_ik = 对 n 求和  dy_ni x_nk
#     db_i  = 对 n 求和  dy_ni
#
# 其中有两个是矩阵乘法，怎么写看形状就知道：两个因子只有按一种次序相乘，并把该转置的转置，得到的 dx 才与 x 形状相同。
#
# **softmax 与交叉熵。** 样本 n 的得分（logits）z_nj 变成概率 p_nj，它的损失是正确类别 t 的概率取负对数：
#
#     p_nj = e^z_nj / (对 k 求和 e^z_nk)
#     L_n  = -ln p_nt = ln(对 k 求和 e^z_nk) - z_nt
#
# 第一项对 z_nj 的导数是 e^z_nj / (对 k 求和 e^z_nk)，正好又是 p_nj；第二项的导数在 j = t 时为 -1，否则为 0。一批的损失是其中 N 个样本的 L_n 的平均，所以
#
#     dz_nj = dL (p_nj - [j = t]) / N
#
# 其中 dL 是传给 `backward` 的梯度（损失就是最后结果时为 1）；[j = t] 在 j = t 时为 1，否则为 0。dz 的每一行加起来都是 0。这是必然的：给一个样本的所有得分加上同一个数，概率不会改变。这也告诉我们该怎样计算：先从每一行减去这一行最大的得分，e^z 就不会溢出；ln p_nt 要像上面那样写成两项之差，而不要先算 p_nt 再取对数，因为它可能已经被舍入成 0。
#
# ## 对不对？用差商检验
#
# 检验一个导数，不必知道它的公式。把 f 在 x 附近展开：
#
#     f(x ± ε) = f(x) ± ε f'(x) + ε² f''(x) / 2 ± ε³ f'''(x) / 6 + ...
#
# 由此可见，单侧差商 (f(x + ε) - f(x)) / ε 的误差约为 ε f''(x) / 2；中心差商 (f(x + ε) - f(x - ε)) / (2 ε) 中偶次项互相抵消，误差约为 ε² f'''(x) / 6。但是 f 的值本身带有舍入误差，双精度下相对误差约为 u = 1e-16，除以 ε 就成了 u |f(x)| / ε：ε 越小，它反而越大。对单侧差商，两种误差在 ε = √u = 1e-8 附近持平，剩下的误差约为 1e-8；对中心差商则在 ε = ∛u = 5e-6 附近，剩下的误差约为 1e-11。这两个谷底都会出现在你画的图里。
#
# 这样的检验叫做梯度检验。`minidl.gradcheck` 对每个输入的每个元素都这样做一遍，所用的是 L = (dy · y 的和)，其中 dy 是随机的。为什么要随机？如果 dy 处处为 1，那么忘记乘以 dy 的反向传播也能通过。
#
# ## 题目
#
# | 题号 | | 分数 |
# |---|---|---|
# | 1 | 差商 | 4 |
# | 2 | tanh | 4 |
# | 3 | 线性层 | 5 |
# | 4 | softmax 交叉熵 | 5 |
# | 5 | 一步训练，以及画图 | 2 |
#
# 大约需要三小时。请先读 docs/extending.md 中的 “An operation” 一节，那里说明了要交给 `record` 的是什么。你能看到的测试占 20 分中的 11 分；隐藏的测试检验题目要求的一切，包括可见的测试没有涉及的内容（任意形状的数组、很大的得分、连续几步训练）。测试信息和代码注释为英文。

# %% part="setup"
import numpy as np

from minidl import data, gradcheck
from minidl.random import Generator
from minidl.tensor import Tensor, record

STUDENT = ""  # your id, if your instructor gave each student numbers of their own

# %% part="tests"
import functools
from unittest import mock

from course.expect import expect


def _leaves(student, *shapes):
    """Random tensors of these shapes, the student's own; in double precision, since differences need it."""
    rng = Generator(7).stream(str(student))
    return [Tensor(rng.normal(shape, dtype=np.float64), requires_grad=True) for shape in shapes]


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


def _sent_back(what, y, inputs, dy):
    """The gradients that dy leaves in the inputs of y, which the student's function made; twice, and the same both times."""
    assert isinstance(y, Tensor), f"{what} is a {type(y).__name__}, not a Tensor: end with `return record(...)`"
    gradients = []
    for _ in range(2):
        for x in inputs:
            x.grad = None
        y.backward(np.asarray(dy, y.dtype), retain_graph=True)
        gradients.append([x.grad.copy() for x in inputs])
    assert all(map(np.array_equal, *gradients)), (
        f"a second backward pass through {what} gives another gradient: backward changes what it has kept; compute new arrays, "
        "without -=, /= and [...] = on what was made outside of backward"
    )
    return gradients[0]


# %% [markdown] question="quotient"
# ## Question 1: difference quotients (4 points)
#
# Write `difference_quotients(loss, x, eps)`. `loss` is a function from an array like x to a number, and x is an array
# of float64, of any shape. Return an array of x's shape with, at each place, the central quotient
# `(loss(x + eps e) - loss(x - eps e)) / (2 eps)`, where e is 1 at this place and 0 at all others, so that one element
# alone is moved. Afterwards x must hold what it held before.
#
# It is slow, two evaluations for each element, and this is why networks are not trained with it. But it knows nothing
# of the chain rule, so it is a judge of everything that you write from here on.

# %% [markdown] question="quotient" lang="zh"
# ## 第 1 题：差商（4 分）
#
# 请写 `difference_quotients(loss, x, eps)`。`loss` 是一个函数，输入与 x 形状相同的数组，返回一个数；x 是 float64 数组，形状任意。返回一个与 x 形状相同的数组，每个位置上是中心差商 `(loss(x + eps e) - loss(x - eps e)) / (2 eps)`，其中 e 在这个位置上为 1，在其余位置上为 0，也就是只移动一个元素。算完以后，x 的值必须与原来一样。
#
# 它很慢，每个元素都要计算两次损失，所以没有人用它来训练网络。但它完全不涉及链式法则，因此从这里起，你写的一切都可以用它来检验。


# %% part="solution" question="quotient"
def difference_quotients(loss, x, eps=1e-6):
    """The central difference quotients of loss(x), a number, by each element of the array x."""
    # BEGIN SOLUTION
    quotients = np.empty_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = eps
        quotients[place] = (loss(x + step) - loss(x - step)) / (2 * eps)
    return quotients
    # END SOLUTION


# %% part="public" question="quotient" points=2
def test_quotients_of_a_cube():
    """The central quotients of x³ with ε = 0.5, which are 3 x² + ε² exactly."""
    x = np.array([1.0, 2.0])
    given = difference_quotients(lambda x: float((x**3).sum()), x, 0.5)
    for values, mistake in (
        ([4.75, 15.25], "this is (f(x + ε) - f(x)) / ε, the one-sided quotient: take f(x + ε) - f(x - ε) over 2 ε"),
        ([6.5, 24.5], "this is twice the quotient: f(x + ε) and f(x - ε) are 2 ε apart"),
        ([0.8125, 3.0625], "`/ 2 * eps` divides by 2 and multiplies by eps: write / (2 * eps)"),
        ([15.5, 15.5], "each is the sum of the quotients of all elements: move one element at a time"),
    ):
        assert not (np.shape(given) == (2,) and np.array_equal(np.round(np.array(given, float), 6), values)), mistake
    expect("(f(x + ε) - f(x - ε)) / (2 ε) of f(x) = x³ at x = 1 and x = 2, with ε = 0.5: result", given, [3.25, 12.25])


# %% part="hidden" question="quotient" points=1
def test_quotients_of_a_matrix():
    """The quotients of a function of a 2x3 matrix, whose elements are multiplied with each other; and of other shapes."""
    factors = np.array([[1.0, -2.0, 3.0], [0.0, 5.0, -1.0]])
    x = np.array([[2.0, 1.0, 0.0], [4.0, -3.0, 7.0]])
    # L = sum of factors * x, plus x_00 x_12: quotients of it are exact but for rounding, about 1e-16 * 60 / 1e-6
    given = difference_quotients(lambda x: float((factors * x).sum() + x[0, 0] * x[1, 2]), x)
    expect("difference_quotients of a function of a 2x3 matrix", given, [[8.0, -2.0, 3.0], [0.0, 5.0, 1.0]], 1e-7)
    for shape in ((2, 1, 3), ()):
        x = np.full(shape, 3.0)
        given = difference_quotients(lambda x: float((x * x).sum()), x, 0.25)
        expect(f"difference_quotients of x² at 3 for an array of shape {shape}", given, np.full(shape, 6.0))


# %% part="hidden" question="quotient" points=1
def test_quotients_leave_x_as_it_was():
    """What x holds after the call, also with a large ε."""
    x = np.array([0.1, 0.7, -0.3])
    expect("difference_quotients(...)", difference_quotients(lambda x: float((x * x).sum()), x, 0.25), [0.2, 1.4, -0.6])
    assert np.array_equal(x, [0.1, 0.7, -0.3]), (
        f"x is {x.tolist()} after difference_quotients(loss, x), and was [0.1, 0.7, -0.3]: it must put back what it moved, and "
        "exactly; += and -= leave an error of rounding, so keep the old value, or move a copy"
    )


# %% [markdown] question="tanh"
# ## Question 2: tanh (4 points)
#
# The forward pass is there. Write `backward`: it is given dy, and returns a tuple with the gradient of each input, here
# the tuple (dx,). It must not change dy, which others may hold, too. It may read y, which `record` watches. If it read
# x, `record` would have to be told by `saved=(x,)`, so that minidl can tell when x was changed before that. Here and in
# the next two questions the backward pass is yours to write: minidl's operators and `functional` do not count.

# %% [markdown] question="tanh" lang="zh"
# ## 第 2 题：tanh（4 分）
#
# 前向传播已经写好，请写 `backward`：它接收 dy，返回一个元组，其中依次是各个输入的梯度，这里就是 (dx,)。不可以改动 dy，因为别的运算也可能在用它。它可以用 y，`record` 会留意 y 是否被改动；如果要用 x，就必须写 `saved=(x,)` 告诉 `record`，这样，如果 x 在反向传播之前被改动过，minidl 就能发现。这一题和后面两题的反向传播都要你自己写：不能用 minidl 的运算符和 `functional` 代替。


# %% part="solution" question="tanh"
def tanh(x):
    """y = tanh x, elementwise."""
    y = np.tanh(x.data)

    def backward(dy):
        # BEGIN SOLUTION
        return (dy * (1 - y * y),)
        # END SOLUTION

    return record(y, (x,), backward)


# %% part="public" question="tanh" points=2
def test_tanh_at_three_places():
    """The gradient of tanh at -1.5, 0.2 and 0.8, compared with differences."""
    gradcheck(_own(tanh), Tensor(np.array([-1.5, 0.2, 0.8]), requires_grad=True))


# %% part="hidden" question="tanh" points=1
def test_tanh_of_a_matrix():
    """The gradient of tanh at 15 random places, compared with differences."""
    gradcheck(_own(tanh), _leaves(STUDENT, (5, 3)))


# %% part="hidden" question="tanh" points=1
def test_tanh_by_hand():
    """dx for dy = (1, 10, 100) at x = (0, ln 2, -ln 3), where tanh x = (0, 3/5, -4/5); also when x is changed before backward."""
    x = Tensor(np.array([0.0, np.log(2), -np.log(3)]), requires_grad=True)
    y = _own(tanh)(x)
    (dx,) = _sent_back("tanh(x)", y, [x], [1.0, 10.0, 100.0])
    expect("dx of tanh for dy = (1, 10, 100), where the slopes are 1, 16/25 and 9/25: dx", dx, [1.0, 6.4, 36.0])
    x.data += 1
    x.grad = None
    try:
        y.backward(np.array([1.0, 10.0, 100.0]))
    except RuntimeError:  # minidl has noticed
        return
    mistake = "backward reads x, which has changed since, and minidl was not told: use y, or write saved=(x,) in record"
    assert np.allclose(x.grad, [1.0, 6.4, 36.0]), mistake


# %% [markdown] question="linear"
# ## Question 3: linear (5 points)
#
# The same for y = x Wᵀ + b. There are three inputs now, so `backward` returns the tuple (dx, dW, db), in the order in
# which `record` is given the inputs. The three are graded one by one (but a backward that
# raises gives none of the three). `saved=(x, w)` says that `backward` reads the
# values of x and W, so that minidl can tell when they were changed before that.

# %% [markdown] question="linear" lang="zh"
# ## 第 3 题：线性层（5 分）
#
# 对 y = x Wᵀ + b 做同样的事。现在有三个输入，所以 `backward` 返回元组 (dx, dW, db)，次序与交给 `record` 的输入相同。三个梯度分别计分（但如果 `backward` 报错，三个都不得分）。`saved=(x, w)` 表示 `backward` 要用到 x 和 W 的值，这样，如果它们在反向传播之前被改动过，minidl 就能发现。


# %% part="solution" question="linear"
def linear(x, w, b):
    """y = x W^T + b: a row of x is a sample, a row of W is a unit."""
    a, weights = x.data, w.data

    def backward(dy):
        # BEGIN SOLUTION
        return dy @ weights, dy.T @ a, dy.sum(axis=0)
        # END SOLUTION

    return record(a @ weights.T + b.data, (x, w, b), backward, saved=(x, w))


# %% part="public" question="linear" points=1
def test_linear_dx():
    """dx of linear for 5 samples, 4 inputs and 3 units, compared with differences."""
    x, w, b = _leaves(STUDENT, (5, 4), (3, 4), (3,))
    gradcheck(_own(linear), (x, w.detach(), b.detach()))


# %% part="public" question="linear" points=1
def test_linear_dw():
    """dW of linear for 5 samples, 4 inputs and 3 units, compared with differences."""
    x, w, b = _leaves(STUDENT, (5, 4), (3, 4), (3,))
    gradcheck(_own(linear), (x.detach(), w, b.detach()))


# %% part="public" question="linear" points=1
def test_linear_db():
    """db of linear for 5 samples, 4 inputs and 3 units, compared with differences."""
    x, w, b = _leaves(STUDENT, (5, 4), (3, 4), (3,))
    gradcheck(_own(linear), (x.detach(), w.detach(), b))


# %% part="hidden" question="linear" points=1
def test_linear_of_a_square_matrix():
    """All three gradients of linear where samples, inputs and units are four each, so that no shape is wrong."""
    gradcheck(_own(linear), _leaves(STUDENT, (4, 4), (4, 4), (4,)))


# %% part="hidden" question="linear" points=1
def test_linear_by_hand():
    """The gradients of linear for two samples, two inputs and three units, worked out by hand."""
    x, w, b = (
        Tensor(np.array(values), requires_grad=True)
        for values in ([[1.0, 2.0], [3.0, 4.0]], [[1.0, -1.0], [0.0, 2.0], [3.0, 1.0]], [1.0, 0.0, -1.0])
    )
    dx, dw, db = _sent_back("linear(x, w, b)", _own(linear)(x, w, b), [x, w, b], [[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]])
    expect("dx of linear", dx, [[7.0, 1.0], [-3.0, 1.0]])
    expect("dW of linear", dw, [[1.0, 2.0], [3.0, 4.0], [-1.0, 0.0]])
    expect("db of linear", db, [1.0, 1.0, 1.0])


# %% [markdown] question="entropy"
# ## Question 4: softmax cross-entropy (5 points)
#
# Now write an operation whole. `cross_entropy(z, labels)` is given a Tensor of scores of shape (samples, classes) and
# an array with the number of the right class for each sample. Return a Tensor of shape () with one number, the mean of
# the losses, that knows its gradient. End with `record(loss, (z,), backward)`. Scores of 1000 and more must give
# neither infinity nor NaN, neither in the loss nor in its gradient. A second backward pass must give the same gradient,
# so `backward` may not change what it has kept.

# %% [markdown] question="entropy" lang="zh"
# ## 第 4 题：softmax 交叉熵（5 分）
#
# 现在请完整地写一个运算。`cross_entropy(z, labels)` 的输入是得分（Tensor，形状为 (samples, classes)）和一个数组，数组中是每个样本的正确类别的编号。返回一个形状为 () 的 Tensor，其中只有一个数，即平均损失，并且能由它反向传播。最后一行是 `record(loss, (z,), backward)`。得分达到 1000 甚至更大时，损失和梯度中都不可以出现无穷大或 NaN。再做一次反向传播，得到的梯度必须相同，所以 `backward` 不可以改动自己留下的数组。


# %% part="solution" question="entropy"
def cross_entropy(z, labels):
    """The mean over the samples n of -ln p_n,labels[n], where p = softmax(z) along each row."""
    # BEGIN SOLUTION
    shifted = z.data - z.data.max(axis=1, keepdims=True)
    sums = np.exp(shifted).sum(axis=1, keepdims=True)
    samples = np.arange(len(labels))

    def backward(dloss):
        dz = np.exp(shifted) / sums
        dz[samples, labels] -= 1
        return (dloss * dz / len(labels),)

    return record(np.mean(np.log(sums[:, 0]) - shifted[samples, labels]), (z,), backward)
    # END SOLUTION


# %% part="public" question="entropy" points=1
def test_loss_of_two_samples():
    """The loss where the right classes have the probabilities 1/2 and 3/5: the mean of ln 2 and ln(5/3)."""
    z = Tensor(np.array([[np.log(2), 0.0, 0.0], [0.0, np.log(3), 0.0]]), requires_grad=True)
    loss = _own(cross_entropy)(z, np.array([0, 1]))
    assert loss is None or isinstance(loss, Tensor), (
        f"cross_entropy returned a {type(loss).__name__}, not a Tensor: end with `return record(loss, (z,), backward)`"
    )
    mistakes = {
        "the loss is the sum over the two samples: take their mean": 1.2039728,
        "the loss has shape (1,), where () is asked for: take the mean over all, without keepdims": [0.6019864],
    }
    expect("the mean of -ln(1/2) and -ln(3/5), the loss of these two samples,", loss, 0.6019864, mistakes=mistakes)
    assert loss.dtype == np.float64, f"the loss is {loss.dtype} for a float64 z; is it computed in float32? Keep the dtype of z"


# %% part="public" question="entropy" points=2
def test_gradient_of_the_loss():
    """The gradient of the loss for 4 samples and 3 classes, compared with differences."""
    (z,) = _leaves(STUDENT, (4, 3))
    labels = np.array([0, 2, 1, 1])
    loss = cross_entropy(Tensor(z.data.copy()), labels)
    assert not isinstance(loss, Tensor) or loss.dtype == np.float64, (
        f"the loss is {loss.dtype} for a float64 z, too coarse for differences; is it computed in float32? Keep the dtype of z"
    )
    gradcheck(lambda z: _own(cross_entropy)(z, labels), z)


# %% part="hidden" question="entropy" points=1
def test_gradient_of_the_loss_by_hand():
    """The gradient of the loss where the probabilities are quarters and fifths, sent back from 10 times the loss."""
    z = Tensor(np.array([[np.log(2), 0.0, 0.0], [0.0, np.log(3), 0.0]]), requires_grad=True)
    (dz,) = _sent_back("cross_entropy(z, labels)", _own(cross_entropy)(z, np.array([0, 2])), [z], 10.0)
    expect("dz of 10 times the loss, that is 10 (p - [j = t]) / 2:", dz, [[-2.5, 1.25, 1.25], [1.0, 3.0, -4.0]])


# %% part="hidden" question="entropy" points=1
def test_scores_of_a_thousand():
    """The loss and its gradient for scores of 0 and 1000: one sample right, one wrong, and one undecided."""
    z = Tensor(np.array([[1000.0, 0.0], [0.0, 1000.0], [0.0, 0.0]]), requires_grad=True)
    with np.errstate(all="ignore"):
        loss = _own(cross_entropy)(z, np.array([0, 0, 0]))
        assert not (isinstance(loss, Tensor) and not np.isfinite(loss.data).all()), (
            f"the loss of scores of 1000 is {loss.data}: subtract from each row its own largest score before e^z, and take no "
            "logarithm of a p that may be 0"
        )
        assert not (isinstance(loss, Tensor) and loss.shape == () and loss.item() < 333), (
            f"the loss of a sample whose right class is 1000 behind is not 1000, since the mean is {loss.item():.6g}, not 333.564; "
            "is p kept from 0 by a small number? Take ln p as a difference"
        )
        what = "of the scores (1000, 0), (0, 1000) and (0, 0), all of class 0,"
        expect(f"the loss {what} which is (0 + 1000 + ln 2) / 3,", loss, 333.564382)
        (dz,) = _sent_back("cross_entropy(z, labels)", loss, [z], 1.0)
    expect(f"dz {what}", dz, [[0.0, 0.0], [-1 / 3, 1 / 3], [-1 / 6, 1 / 6]])


# %% [markdown] question="step"
# ## Question 5: a step of training (2 points)
#
# `step(loss, parameters, lr)` makes one step of gradient descent. `loss` is a function without arguments that
# computes the loss of the current parameters, a Tensor. Change every p of the list `parameters` to p - lr dp, and
# return the loss as it was before the step, as a number. `backward()` adds to `.grad`, so think of what the step
# before has left there.
#
# Then run the file (in a notebook, its last cell) for the picture. On the left is the error of two difference quotients
# of your tanh: compare the slopes of the branches, and the places of the valleys, with the theory above. On the right your
# operations learn to read digits; expect about 95 % of the test digits.

# %% [markdown] question="step" lang="zh"
# ## 第 5 题：一步训练（2 分）
#
# `step(loss, parameters, lr)` 做一步梯度下降。调用 `loss()` 不需要传入任何实参，它按网络当前的参数算出损失，返回 Tensor。把列表 `parameters` 中的每个 p 变成 p - lr dp，并返回这一步之前的损失，返回值是一个数。`backward()` 会把梯度加到 `.grad` 上，所以想一想，上一步在那里留下了什么。
#
# 然后运行这个文件（在笔记本中运行最后一个单元格），把图画出来。左图是你的 tanh 的两种差商的误差：把各段的斜率和谷底的位置与上面的理论对照。右图中，你写的运算在学习识别数字，测试集的准确率应当在 95 % 左右。


# %% part="solution" question="step"
def step(loss, parameters, lr):
    """p = p - lr dp for every parameter p; returns the loss before the step."""
    # BEGIN SOLUTION
    for p in parameters:
        p.grad = None
    value = loss()
    value.backward()
    for p in parameters:
        p.data -= lr * p.grad
    return value.item()
    # END SOLUTION


# %% part="public" question="step" points=1
def test_one_step():
    """One step from w = (1, -2) for L = w·w, where dw = 2 w, with lr = 0.1."""
    w = Tensor(np.array([1.0, -2.0]), requires_grad=True)
    given = step(lambda: (w * w).sum(), [w], 0.1)
    assert not isinstance(given, Tensor), "step returned a Tensor: return a number, value.item()"
    expect("what step(...) returns, the loss before the step,", given, 5.0)
    assert not np.array_equal(w.data, [1.0, -2.0]), (
        "w has not changed: `p = ...` gives the name p to a new tensor, and the old one stays as it was; assign to p.data"
    )
    expect("w - lr dw of w = (1, -2), dw = (2, -4), lr = 0.1, after one step: w", w, [0.8, -1.6])


# %% part="hidden" question="step" points=1
def test_three_steps():
    """Three steps of two parameters, each of which goes by its own gradient alone."""
    w, b = Tensor(np.array([1.0, -2.0]), requires_grad=True), Tensor(np.array([4.0]), requires_grad=True)
    losses = [step(lambda: (w * w).sum() + 2 * b.sum(), [w, b], 0.2) for _ in range(3)]
    piled = "it moves by 0.4, 0.8 and 1.2, though its gradient is 2 each time: set .grad to None before backward(), which adds to it"
    expect("b after three steps of b - lr 2, with lr = 0.2, b", b, [2.8], mistakes={piled: [1.6]})
    expect("w after three steps of w - lr 2 w, with lr = 0.2, w", w, [0.216, -0.432])
    expect("the losses of three steps, each before its step:", losses, [13.0, 9.0, 7.048])


# %% part="given" question="step"
def train(digits, epochs=5, lr=0.5):
    """The loss of each step of a network 64-32-10 made of your operations, and its accuracy on the test digits."""
    rng = Generator(0)
    w1, w2 = (Tensor(rng.normal(shape) / shape[1] ** 0.5, requires_grad=True) for shape in ((32, 64), (10, 32)))
    b1, b2 = (Tensor(np.zeros(n, np.float32), requires_grad=True) for n in (32, 10))

    def scores(x):
        return linear(tanh(linear(Tensor(x), w1, b1)), w2, b2)

    losses = []
    for _ in range(epochs):
        for x, labels in data.DataLoader((digits.x_train, digits.y_train), batch_size=64, shuffle=True, rng=rng):
            losses.append(step(lambda x=x, labels=labels: cross_entropy(scores(x), labels), [w1, b1, w2, b2], lr))
    return losses, np.mean(scores(digits.x_test).data.argmax(axis=1) == digits.y_test)


def quotient_errors(sizes, at=0.7):
    """How far the one-sided and the central quotient of tanh are from what your backward says, for each ε."""
    x = Tensor(np.array([at]), requires_grad=True)
    tanh(x).sum().backward()
    one_sided = [abs((np.tanh(at + eps) - np.tanh(at)) / eps - x.grad[0]) for eps in sizes]
    central = [abs(difference_quotients(lambda x: np.tanh(x).sum(), x.data, eps)[0] - x.grad[0]) for eps in sizes]
    return one_sided, central


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    sizes = np.logspace(-13, 0, 100)
    one_sided, central = quotient_errors(sizes)
    left.loglog(sizes, one_sided, label="one-sided: (f(x + ε) - f(x)) / ε")
    left.loglog(sizes, central, label="central: (f(x + ε) - f(x - ε)) / (2 ε)")
    left.set(title="Error of a difference quotient of tanh at 0.7", xlabel="ε", ylabel="difference from your backward")
    left.legend()
    losses, accuracy = train(data.digits())
    right.plot(losses)
    right.axhline(np.log(10), color="grey", linestyle=":", label="guessing: ln 10")
    right.set(title=f"Your operations read digits: {accuracy:.1%} of the test set", xlabel="step", ylabel="cross-entropy")
    right.set_ylim(bottom=0)
    right.legend()
    figure.savefig("hw2.png", dpi=110)
    print("hw2.png is written")
    plt.show()
