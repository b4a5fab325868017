# %% [markdown]
# # 1. The chain rule, and an engine of your own
#
# How does a network know in which direction to change its weights? It computes the derivative of its loss by each of
# them, millions at a time, and nobody derives a formula for it. In this assignment you first derive one by hand, then
# you write a program of about 60 lines that does it for any formula: an *engine*. It works with single numbers. The
# later assignments do the same with arrays, but there is no further idea in them.
#
# ## What a derivative says
#
# dL/dx is a rate of exchange. Raise x by a small t, and L changes by t dL/dx. If y depends on x and L on y, the rates
# multiply, like those of two currencies: x to y, and y to L.
#
#     dL/dx = dL/dy · dy/dx
#
# And if x is used in several places, in y and in z say, then raising it changes L through both, and the changes add
# up:
#
#     dL/dx = dL/dy · dy/dx + dL/dz · dz/dx
#
# These two lines are the chain rule. As in all assignments, L is what is differentiated, and we write dx for dL/dx,
# dy for dL/dy, and so on.
#
# ## An example, forward and backward
#
# A substance decays, and its amount at the time x should be t. We measure how wrong the curve a e^(k x) is:
#
#     p = k x,    q = e^p,    y = a q,    e = y - t,    L = e²
#
# With a = 2, k = 0, x = 3 and t = 1 that is p = 0, q = 1, y = 2, e = 1 and L = 1. Each line is one simple operation,
# whose own slopes are known from school. Now go back through the lines, from the last to the first:
#
#     L = e²       so   de = 2 e               = 2
#     e = y - t    so   dy = de · 1            = 2
#     y = a q      so   da = dy · q            = 2     and   dq = dy · a = 4
#     q = e^p      so   dp = dq · q            = 4     (e^p is its own slope)
#     p = k x      so   dk = dp · x            = 12
#
# Nothing in a line is more than a product of two numbers: the derivative that has come down so far, and the slope of
# one operation. That is why a machine can do it.
#
# ## The machine
#
# The slopes that it needs:
#
# | y | slope |
# |---|---|
# | a + b | 1 by a, 1 by b |
# | a · b | b by a, a by b |
# | a^n, n a constant | n a^(n-1) |
# | e^a | y itself |
# | tanh a | 1 - y² |
#
# (The last: tanh a = (e^a - e^-a) / (e^a + e^-a), and the quotient rule gives
# ((e^a + e^-a)² - (e^a - e^-a)²) / (e^a + e^-a)² = 1 - y².)
#
# Everything else is made of these: a - b is a + (-1) · b, and a / b is a · b^-1.
#
# Each operation computes its result and writes down from which numbers it was made, and with what slopes. Its result
# is thus a number with a memory, a *value*. When the formula has been computed, its values are connected, from L down
# to the parameters, and the engine walks down. It gives L the derivative dL/dL = 1. Then it takes one value after
# another and adds, for each of its inputs, the value's derivative times the slope to what this input has got already.
#
# One thing must be minded. A value may pass on its derivative only when this is complete, that is, when all values
# that were computed from it have had their turn. Those are all *younger* than it. So number the values as they are
# made, and of those that are waiting always take the youngest.
#
# ## Downhill
#
# With the derivatives it is easy to make L smaller: change each parameter against its derivative, w to w - lr dw. For
# a small *learning rate* lr, L falls by about lr dw². For a large one the derivative is no longer what it was at the
# beginning of the step. Take L = k w² / 2, whose derivative is k w: a step multiplies w by 1 - lr k. If lr is larger
# than 2 / k, this is less than -1, and w goes to the other side and farther away. Your picture will show both.
#
# ## What is asked
#
# | question | | points |
# |---|---|---|
# | 1 | derivatives by hand | 4 |
# | 2 | values that remember | 6 |
# | 3 | the walk back | 6 |
# | 4 | downhill, and the picture | 4 |
#
# It takes about three hours. About half of the tests you can run yourself. The others are run when you hand in, and
# look at more than other numbers: at all that the questions ask for, such as plain numbers, negative ones and powers in
# question 2, values that have to wait in question 3, and steps of both parameters at once in question 4.

# %% [markdown] lang="zh"
# # 1. 链式法则，以及自己写的引擎
#
# 网络怎么知道该朝哪个方向改变权重？它算出损失对每个权重的导数，一次就是几百万个，而这些导数的公式没有谁去推导。这次作业里，你先用手推导一次，再写一个大约 60 行的程序，让它对任何公式都能做到：这就是*引擎*。它处理的是单个的数。以后的作业把同样的事推广到数组，但不再有新的思想。
#
# ## 导数说的是什么
#
# dL/dx 好比汇率：x 增加很小的 t，L 就改变 t dL/dx。如果 y 取决于 x，L 又取决于 y，那么两个汇率相乘，就像先把 x 换成 y，再把 y 换成 L：
#
#     dL/dx = dL/dy · dy/dx
#
# 如果 x 用在几个地方，比如 y 和 z 里都有它，那么增加 x 就同时通过两者改变 L，两份改变相加：
#
#     dL/dx = dL/dy · dy/dx + dL/dz · dz/dx
#
# 这两行就是链式法则。在所有作业里，求导的对象都是 L，我们把 dL/dx 记作 dx，把 dL/dy 记作 dy，其余类推。
#
# ## 一个例子：先往前，再往回
#
# 某种物质在衰变，在时刻 x 它的量应当是 t。我们来衡量曲线 a e^(k x) 错了多少：
#
#     p = k x,    q = e^p,    y = a q,    e = y - t,    L = e²
#
# 取 a = 2，k = 0，x = 3，t = 1，得 p = 0，q = 1，y = 2，e = 1，L = 1。每一步都是一个简单的运算，它自己的斜率在中学就学过。现在从最后一步往回走，直到第一步：
#
#     L = e²       所以   de = 2 e               = 2
#     e = y - t    所以   dy = de · 1            = 2
#     y = a q      所以   da = dy · q            = 2     以及   dq = dy · a = 4
#     q = e^p      所以   dp = dq · q            = 4     (e^p 的斜率就是它自己)
#     p = k x      所以   dk = dp · x            = 12
#
# 每一行都只是两个数相乘：一个是一路传下来的导数，一个是某个运算的斜率。正因为如此，机器也能做。
#
# ## 机器
#
# 它需要的斜率有：
#
# | y | 斜率 |
# |---|---|
# | a + b | 对 a 为 1，对 b 为 1 |
# | a · b | 对 a 为 b，对 b 为 a |
# | a^n，n 为常数 | n a^(n-1) |
# | e^a | 就是 y |
# | tanh a | 1 - y² |
#
# （最后一行：tanh a = (e^a - e^-a) / (e^a + e^-a)，由商的求导法则得 ((e^a + e^-a)² - (e^a - e^-a)²) / (e^a + e^-a)² = 1 - y²。）
#
# 其余的都由这些组成：a - b 就是 a + (-1) · b，a / b 就是 a · b^-1。
#
# 每个运算在算出结果的同时，记下结果是由哪些数得来的，斜率各是多少。所以它的结果是一个有记忆的数，我们称之为一个*值*。整个公式算完以后，这些值就从 L 一直连到各个参数，引擎便顺着往下走。它先给 L 导数 dL/dL = 1，然后一个值接一个值地处理：对这个值的每个输入，把这个值的导数乘以斜率，加到那个输入已经得到的导数上。
#
# 有一点要注意：一个值的导数必须先算完整，才能往下传，也就是说，凡是由它算出的值都要先处理完。那些值都比它*年轻*。所以在产生这些值的时候给它们编号，每次从等待处理的值中取最年轻的一个。
#
# ## 下山
#
# 有了导数，要减小 L 就很容易：每个参数都逆着自己的导数改变，w 变成 w - lr dw。如果*学习率* lr 很小，L 大约减小 lr dw²。如果 lr 很大，走到半路，导数就不再是出发时的样子了。以 L = k w² / 2 为例，它的导数是 k w，所以一步就是把 w 乘以 1 - lr k。如果 lr 大于 2 / k，这个数就小于 -1，w 会跳到另一边，而且离得更远。在你画的图里，两种情况都会出现。
#
# ## 题目
#
# | 题号 | | 分数 |
# |---|---|---|
# | 1 | 手算导数 | 4 |
# | 2 | 有记忆的值 | 6 |
# | 3 | 往回走 | 6 |
# | 4 | 下山，以及画图 | 4 |
#
# 大约需要三小时。大约一半的测试你自己可以运行；其余的在提交之后运行，而且不只是换一些数：题目中的要求它们都会检验，例如第 2 题的普通的数、负数和负指数，第 3 题中需要等待的值，第 4 题中两个参数同时更新。

# %% part="setup"
import itertools
import math

STUDENT = ""  # your id, if your instructor gave each student numbers of their own

# %% part="tests"
from course.expect import expect
from minidl.random import Generator


def _own_numbers(student, count):
    """Numbers between 0.2 and 1.2, the student's own."""
    return [float(number) for number in Generator(7).stream(str(student)).uniform(count, 0.2, 1.2, dtype="float64")]


def _quotients(f, numbers, eps=1e-5):
    """The central difference quotients of f by each of its arguments, whose error is about eps²."""
    found = []
    for i in range(len(numbers)):
        above, below = list(numbers), list(numbers)
        above[i] += eps
        below[i] -= eps
        found.append((f(*above) - f(*below)) / (2 * eps))
    return found


# %% [markdown] question="hand"
# ## Question 1: derivatives by hand (4 points)
#
# The smallest network there is has one hidden unit. Its output is w tanh(u x + b), and its loss is L = (w tanh(u
# x + b) - t)², where x is an input and t is what the output should be. Write L as a sequence of simple operations, go
# back through it with a pencil, and write down what you find: `slopes_by_hand(u, b, w, x, t)` returns the three
# numbers dL/du, dL/db and dL/dw as a tuple. Use `math.tanh`, and nothing of the questions below.

# %% [markdown] question="hand" lang="zh"
# ## 第 1 题：手算导数（4 分）
#
# 最小的网络只有一个隐藏神经元。它的输出是 w tanh(u x + b)，损失是 L = (w tanh(u x + b) - t)²，其中 x 是输入，t 是输出应有的值。请把 L 写成一串简单的运算，用笔从后往前推一遍，把结果写成程序：`slopes_by_hand(u, b, w, x, t)` 以元组的形式返回 dL/du、dL/db 和 dL/dw 三个数。请用 `math.tanh`，不要用后面几题的东西。


# %% part="solution" question="hand"
def slopes_by_hand(u, b, w, x, t):
    """dL/du, dL/db and dL/dw of L = (w tanh(u x + b) - t)^2."""
    # BEGIN SOLUTION
    h = math.tanh(u * x + b)
    dy = 2 * (w * h - t)
    dz = dy * w * (1 - h * h)
    return dz * x, dz, dy * h
    # END SOLUTION


# %% part="tests"
def _check_slopes(given, right, where, tolerance):
    engine = {"Value", "as_value", "backward"} & set(getattr(getattr(slopes_by_hand, "__code__", None), "co_names", ()))
    assert not engine, f"slopes_by_hand uses {min(engine)} of the questions below: find the three formulas with a pencil"
    assert given is not None, "slopes_by_hand(...) is None: does the function end with `return`?"
    three = hasattr(given, "__len__") and len(given) == 3 and not isinstance(given, (str, dict, set))
    assert three, f"slopes_by_hand(...) is {given!r}, where the three numbers dL/du, dL/db and dL/dw are expected"
    for name, mine, number in zip(("dL/du", "dL/db", "dL/dw"), given, right, strict=True):
        expect(f"{name} {where}", mine, number, tolerance)


# %% part="public" question="hand" points=2
def test_slopes_where_tanh_is_easy():
    """The three derivatives for u x + b = ln 2, where tanh is 3/5, with x = 3, w = 2 and t = 1."""
    given = slopes_by_hand(math.log(2) / 6, math.log(2) / 2, 2.0, 3.0, 1.0)
    where = "where h = tanh(u x + b) = 0.6, x = 3, w = 2, t = 1 (so y = w h = 1.2, dL/dy = 0.4, dy/dh = 2, dh/dz = 0.64)"
    right = [1.536, 0.512, 0.24]
    _check_slopes(given, right, where, 1e-6)
    # rounding errs by 1e-15 here, and a difference quotient by 1e-11 at best
    exact = all(abs(mine - number) < 1e-12 for mine, number in zip(given, right, strict=True))
    assert exact, "the three numbers are right to some digits only, as difference quotients are: write down the formulas"


# %% part="hidden" question="hand" points=2
def test_slopes_elsewhere():
    """The three derivatives at five random places, compared with difference quotients."""
    numbers = _own_numbers(STUDENT, 25)
    for n in range(5):
        *parameters, x, t = numbers[5 * n : 5 * n + 5]
        right = _quotients(lambda u, b, w, x=x, t=t: (w * math.tanh(u * x + b) - t) ** 2, parameters)
        where = "for u = {:.3f}, b = {:.3f}, w = {:.3f}, x = {:.3f}, t = {:.3f}".format(*parameters, x, t)
        # the quotients err by 1e-10 or so; one of the three may be much smaller than the others
        _check_slopes(slopes_by_hand(*parameters, x, t), right, where, 1e-4)


# %% [markdown] question="values"
# ## Question 2: values that remember (6 points)
#
# A `Value` has a number, `data`, and the tuple `inputs` of pairs (input, slope): the values that it was computed
# from, and its slope by each. Write the five operations. Each returns a new `Value` with its result and its pairs,
# such as `Value(result, [(self, slope), (other, other_slope)])`. `other` may also be a plain number:
# `as_value(other)` is a Value in any case. Pass a list of pairs; `Value` makes it a tuple. The inputs are `self` itself
# and, where there is one, `other`, not values in between: compute the result and the slopes with plain numbers, and
# leave the `data` of the inputs as they are. The slopes are plain numbers. In x * x, where both inputs are the same, there
# may be two pairs, or one with the sum of the slopes.
#
# The operations below these are made of yours, so that formulas can be written as they are.

# %% [markdown] question="values" lang="zh"
# ## 第 2 题：有记忆的值（6 分）
#
# 一个 `Value` 有一个数 `data`，还有一个元组 `inputs`，其中是若干对 (输入, 斜率)：它由哪些值算出，对每个值的斜率是多少。请写出五个运算。每个运算返回一个新的 `Value`，其中是运算的结果和这些对，例如 `Value(result, [(self, slope), (other, other_slope)])`。`other` 也可以是普通的数，而 `as_value(other)` 总是一个 Value。传入一个由这些对组成的列表即可，`Value` 会把它变成元组。输入就是 `self` 自己，有 `other` 时还有 `other`，而不是中间的值：请用普通的数算出结果和斜率，并且不要改动输入的 `data`。斜率是普通的数。在 x * x 中，两个输入是同一个值，这时可以写两对，也可以写一对，其中的斜率是两个斜率之和。
#
# 下面的其余运算都由你写的五个组成，这样公式就可以照原样书写。


# %% part="solution" question="values"
class Value:
    """A number that remembers the values it was computed from, and its slope by each of them."""

    numbers = itertools.count()

    def __init__(self, data, inputs=()):
        self.data = float(data)
        self.inputs = tuple(inputs)  # pairs (value, slope)
        self.grad = 0.0  # dL/d(self), once `backward` has been there
        self.number = next(Value.numbers)  # of two values, the younger has the larger number

    def __repr__(self):
        return f"Value({self.data})"

    def __add__(self, other):
        """self + other"""
        # BEGIN SOLUTION
        other = as_value(other)
        return Value(self.data + other.data, [(self, 1.0), (other, 1.0)])
        # STUB: raise NotImplementedError("Value.__add__ is yours to write")
        # END SOLUTION

    def __mul__(self, other):
        """self * other"""
        # BEGIN SOLUTION
        other = as_value(other)
        return Value(self.data * other.data, [(self, other.data), (other, self.data)])
        # STUB: raise NotImplementedError("Value.__mul__ is yours to write")
        # END SOLUTION

    def __pow__(self, n):
        """self to the power of n, a plain number, which may be negative."""
        # BEGIN SOLUTION
        return Value(self.data**n, [(self, n * self.data ** (n - 1))])
        # STUB: raise NotImplementedError("Value.__pow__ is yours to write")
        # END SOLUTION

    def exp(self):
        """e to the power of self"""
        # BEGIN SOLUTION
        y = math.exp(self.data)
        return Value(y, [(self, y)])
        # STUB: raise NotImplementedError("Value.exp is yours to write")
        # END SOLUTION

    def tanh(self):
        """The hyperbolic tangent of self"""
        # BEGIN SOLUTION
        y = math.tanh(self.data)
        return Value(y, [(self, 1 - y * y)])
        # STUB: raise NotImplementedError("Value.tanh is yours to write")
        # END SOLUTION

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * other**-1

    def __rtruediv__(self, other):
        return self**-1 * other


def as_value(x):
    """x itself, or a Value of it if it is a plain number."""
    return x if isinstance(x, Value) else Value(x)


# %% part="tests"
def _check_value(what, value, data, **slopes):
    """The number of a Value, and its total slope by each input, given by name as (input, slope)."""
    assert hasattr(value, "inputs"), (
        f"{what} is a {type(value).__name__}, where a Value is expected: end with `return Value(number, [(input, slope), ...])`"
    )
    expect(what, value.data, data)
    pairs = all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in value.inputs)
    assert pairs, f"the inputs of {what} are {value.inputs}, where pairs (value, slope) are expected"
    for name, (source, slope) in slopes.items():
        found = [part for value, part in value.inputs if value is source]
        assert found, (
            f"{name} is not among the inputs of {what}: a pair such as ({name}, slope) is expected, with {name} itself"
        )
        kinds = [type(part).__name__ for part in found if not isinstance(part, (int, float))]
        assert not kinds, f"the slope of {what} by {name} is a {kinds[0]}, where a plain number is expected"
        expect(f"the slope of {what} by {name}", sum(found), slope)


# %% part="public" question="values" points=1
def test_sum_and_product():
    """2 + 5 and 2 · 5, with their slopes."""
    a, b = Value(2.0), Value(5.0)
    _check_value("a + b for a = 2, b = 5", a + b, 7.0, a=(a, 1.0), b=(b, 1.0))
    _check_value("a * b for a = 2, b = 5", a * b, 10.0, a=(a, 5.0), b=(b, 2.0))
    expect("the data of a = 2, b = 5 after a + b and a * b", [a.data, b.data], [2.0, 5.0])


# %% part="public" question="values" points=1
def test_exp_and_tanh():
    """e^a at ln 3, which is 3, and tanh at ln 2, which is 3/5, with their slopes."""
    a, b = Value(math.log(3)), Value(math.log(2))
    _check_value("exp of a = ln 3", a.exp(), 3.0, a=(a, 3.0))
    _check_value("tanh of a = ln 2", b.tanh(), 0.6, a=(b, 0.64))
    expect("the data of two inputs, ln 3 and ln 2, after exp and tanh", [a.data, b.data], [math.log(3), math.log(2)])


# %% part="public" question="values" points=1
def test_power():
    """2³ with its slope, and a square."""
    a = Value(2.0)
    _check_value("a ** 3 for a = 2", a**3, 8.0, a=(a, 12.0))
    _check_value("a ** 2 for a = 2", a**2, 4.0, a=(a, 4.0))
    expect("the data of a = 2 after a ** 2", a.data, 2.0)


# %% part="hidden" question="values" points=1
def test_one_value_twice():
    """x · x and x + x, in which both inputs are one value."""
    x = Value(3.0)
    _check_value("x * x for x = 3", x * x, 9.0, x=(x, 6.0))
    _check_value("x + x for x = 3", x + x, 6.0, x=(x, 2.0))


# %% part="hidden" question="values" points=1
def test_plain_numbers():
    """2 + x, x + 2, x + 0.5, 3 · x, x · 3, x · 0.5, and powers of -1 and -1/2 at x = 4."""
    x = Value(4.0)
    _check_value("x + 2 for x = 4", x + 2, 6.0, x=(x, 1.0))
    _check_value("2 + x for x = 4", 2 + x, 6.0, x=(x, 1.0))
    _check_value("x + 0.5 for x = 4", x + 0.5, 4.5, x=(x, 1.0))
    _check_value("x * 3 for x = 4", x * 3, 12.0, x=(x, 3.0))
    _check_value("3 * x for x = 4", 3 * x, 12.0, x=(x, 3.0))
    _check_value("x * 0.5 for x = 4", x * 0.5, 2.0, x=(x, 0.5))
    _check_value("x ** -1 for x = 4", x**-1, 0.25, x=(x, -1 / 16))
    _check_value("x ** -0.5 for x = 4", x**-0.5, 0.5, x=(x, -1 / 16))


# %% part="hidden" question="values" points=1
def test_slopes_at_random_numbers():
    """The slopes of all operations at random numbers of either sign, compared with difference quotients."""
    first, second = _own_numbers(STUDENT, 2)
    for p, q in ((first, second), (-first, second), (-first, -second)):
        for what, operation, plain in (
            ("a + b", lambda a, b: a + b, lambda a, b: a + b),
            ("a * b", lambda a, b: a * b, lambda a, b: a * b),
            ("a ** 3", lambda a, b: a**3, lambda a, b: a**3),
            ("a ** 2.5", lambda a, b: a**2.5, lambda a, b: a**2.5),
            ("exp of a", lambda a, b: a.exp(), lambda a, b: math.exp(a)),
            ("tanh of a", lambda a, b: a.tanh(), lambda a, b: math.tanh(a)),
        ):
            if what == "a ** 2.5" and p < 0:
                continue
            a, b = Value(p), Value(q)
            slopes = dict(zip("ab", zip((a, b), _quotients(plain, [p, q]), strict=True), strict=True))
            used = slopes if " b" in what else {"a": slopes["a"]}
            _check_value(f"{what} for a = {p:.3f}, b = {q:.3f}", operation(a, b), plain(p, q), **used)


# %% [markdown] question="walk"
# ## Question 3: the walk back (6 points)
#
# Write `backward(loss)`. Afterwards the `grad` of every value that `loss` was computed from, directly or through
# others, is dL/d(value), and that of `loss` itself is 1. When `backward` is called, every `grad` is 0; you need not reset
# them. Each value must have got the contributions of all that was computed from it before it passes anything on, which
# it does once: see "The machine" above. A value that waits already may be met again; put it among the waiting only once.

# %% [markdown] question="walk" lang="zh"
# ## 第 3 题：往回走（6 分）
#
# 请写 `backward(loss)`。运行以后，凡是算出 `loss` 所用到的值，无论直接还是间接，它的 `grad` 都等于 dL/d(这个值)，`loss` 自己的 `grad` 等于 1。调用 `backward` 时，所有的 `grad` 都是 0，不需要你清零。一个值必须先收齐由它算出的所有值送来的导数，才能往下传，而且只传一次：见上面的“机器”一节。正在等待的值可能会再次遇到，不要重复放进等待处理的值中。


# %% part="solution" question="walk"
def backward(loss):
    """Leaves dL/d(value) in the grad of every value that the loss L was computed from."""
    # BEGIN SOLUTION
    loss.grad = 1.0
    waiting = {loss}
    while waiting:
        value = max(waiting, key=lambda value: value.number)
        waiting.remove(value)
        for source, slope in value.inputs:
            source.grad += value.grad * slope
            waiting.add(source)
    # END SOLUTION


# %% part="public" question="walk" points=1
def test_walk_of_one_step():
    """L has the slope 5 by x and 3 by y."""
    x, y = Value(3.0), Value(5.0)
    loss = Value(15.0, [(x, 5.0), (y, 3.0)])
    backward(loss)
    expect("the grad of L itself", loss.grad, 1.0)
    expect("the grad of x, by which L has the slope 5,", x.grad, 5.0)
    expect("the grad of y, by which L has the slope 3,", y.grad, 3.0)


# %% part="public" question="walk" points=1
def test_walk_along_several_ways():
    """L = x · x + x at x = 3: contributions of 3, 3 and 1."""
    x = Value(3.0)
    square = Value(9.0, [(x, 3.0), (x, 3.0)])
    backward(Value(12.0, [(square, 1.0), (x, 1.0)]))
    expect("the grad of x, to which L = x · x + x brings 3, 3 and 1,", x.grad, 7.0)


# %% part="hidden" question="walk" points=1
def test_walk_of_a_chain():
    """Slopes of 2, 3 and 4, one after the other, which multiply."""
    x = Value(1.0)
    a = Value(2.0, [(x, 2.0)])
    b = Value(6.0, [(a, 3.0)])
    backward(Value(24.0, [(b, 4.0)]))
    expect("the grad of b in a chain of slopes 4, 3, 2", b.grad, 4.0)
    expect("the grad of a in a chain of slopes 4, 3, 2", a.grad, 12.0)
    expect("the grad of x in a chain of slopes 4, 3, 2", x.grad, 24.0)


# %% part="tests"
def _early(right, *parts):
    """What x, by which m has the slope 2, gets where m passes on one part of its grad too early; as `mistakes` for expect."""
    found = {}
    for part in parts:
        first = f"m has passed on {part} before its grad was complete: it must wait for all younger values"
        found[f"it is {2 * part}, expected {right}: {first}"] = 2 * part
        found[f"it is {2 * part + right}, expected {right}: {first}, and pass on its grad once"] = 2 * part + right
    twice = "m has passed on its whole grad twice: put a value among the waiting only once"
    return found | {f"it is {2 * right}, expected {right}: {twice}": 2 * right}


# %% part="hidden" question="walk" points=1
def test_walk_through_a_value_that_is_used_twice():
    """m is used by p and by q: it gets 3 + 5, and passes it on, once; and 20 doublings, with a million paths through them."""
    x = Value(1.0)
    m = Value(2.0, [(x, 2.0)])
    p, q = Value(6.0, [(m, 3.0)]), Value(10.0, [(m, 5.0)])
    backward(Value(16.0, [(p, 1.0), (q, 1.0)]))
    expect("the grad of m, to which p brings 3 and q brings 5,", m.grad, 8.0)
    expect("the grad of x, 2 times that of m,", x.grad, 16.0, mistakes=_early(16, 3, 5))

    class Doubled(Value):
        """The sum of a value and itself, which counts how often it was asked for its inputs."""

        asked = 0

        @property
        def inputs(self):
            Doubled.asked += 1
            assert Doubled.asked <= 5000, (
                "of 20 values, each x + x of the one before, the inputs were asked for 5000 times: each path is walked by "
                "itself, and there are 2^20. Let each value pass on its whole grad, once"
            )
            return self.pairs

        @inputs.setter
        def inputs(self, pairs):
            self.pairs = tuple(pairs)

    x = y = Value(1.0)
    for _ in range(20):
        y = Doubled(2 * y.data, [(y, 1.0), (y, 1.0)])
    backward(y)
    expect("the grad of x after 20 doublings, 2^20,", x.grad, 2.0**20)


# %% part="hidden" question="walk" points=1
def test_walk_with_a_shortcut():
    """L uses m directly, with the slope 7, and through p, with the slope 3: m must wait for p."""
    for turned in (False, True):
        x = Value(1.0)
        m = Value(2.0, [(x, 2.0)])
        p = Value(6.0, [(m, 3.0)])
        pairs = [(m, 7.0), (p, 1.0)]
        backward(Value(20.0, pairs[::-1] if turned else pairs))
        expect("the grad of m, to which L brings 7 and p brings 3,", m.grad, 10.0)
        expect("the grad of x, 2 times that of m,", x.grad, 20.0, mistakes=_early(20, 7, 3))


# %% part="hidden" question="walk" points=1
def test_the_whole_engine():
    """The derivatives of a formula with all operations of question 2, compared with difference quotients."""
    numbers = _own_numbers(STUDENT, 3)

    def formula(a, b, c, exp, tanh):
        h = tanh(a * b + c)
        return (h * h + a / (1 + b)) * exp(-c * h) - 2 * h**3

    values = [Value(number) for number in numbers]
    backward(formula(*values, Value.exp, Value.tanh))
    right = _quotients(lambda a, b, c: formula(a, b, c, math.exp, math.tanh), numbers)
    # the quotients err by 1e-10, times third derivatives of a few units
    largest = max(abs(number) for number in right)
    for name, value, number in zip("abc", values, right, strict=True):
        tolerance = 1e-7 * largest / max(abs(number), 1e-300)
        expect(f"the grad of {name} in a formula with all operations", value.grad, number, tolerance)


# %% [markdown] question="downhill"
# ## Question 4: downhill (4 points)
#
# Write `descend(slopes, w, b, lr, steps)`. `slopes(w, b)` returns three numbers: the loss at this place, and its
# derivatives by w and by b. Begin at (w, b), make this many steps against the derivatives, both at once, and return
# the list of triples (w, b, loss) of all places, the first and the last included. There are `steps` + 1 of them.
#
# Then, with questions 2, 3 and 4 answered, run the file (in a notebook, its last cell) for the picture. On the left is a
# function with tangents whose slopes your engine computed: if one of them does not touch the curve, look at its
# operations again. On the right a unit tanh(w x + b) learns to go through five points. The grey lines are those of equal
# loss. Explain to yourself why the path of the smallest learning rate is nearly at right angles to them everywhere, and
# what keeps that of the largest from coming to rest.

# %% [markdown] question="downhill" lang="zh"
# ## 第 4 题：下山（4 分）
#
# 请写 `descend(slopes, w, b, lr, steps)`。`slopes(w, b)` 返回三个数：这一点的损失，以及损失对 w 和对 b 的导数。从 (w, b) 出发，逆着导数走 `steps` 步，每一步同时改变两者，返回所有到过的点的列表，每个点是三元组 (w, b, loss)，起点和终点都在内，一共 `steps` + 1 个。
#
# 做完第 2、3、4 题以后，运行这个文件（在 notebook 中则是最后一个单元格），把图画出来。左图是一个函数和它的几条切线，切线的斜率由你的引擎算出：如果哪一条没有贴着曲线，就再看看那里用到的运算。右图是一个神经元 tanh(w x + b) 学习穿过五个点，图中灰色的线是损失的等高线。请想一想：学习率最小的那条路径为什么处处与等高线近乎垂直？学习率最大的那条为什么停不下来？


# %% part="solution" question="downhill"
def descend(slopes, w, b, lr, steps):
    """The places (w, b, loss) of gradient descent, from the first to the last."""
    # BEGIN SOLUTION
    path = []
    for _ in range(steps + 1):
        loss, dw, db = slopes(w, b)
        path.append((w, b, loss))
        w, b = w - lr * dw, b - lr * db
    return path
    # END SOLUTION


# %% part="tests"
def _check_path(what, path, right, mistakes=None):
    """The places of a path, one by one, so that the first wrong one is told; `mistakes` are of the place after one step."""
    assert path is not None, f"the path in {what} is None: does the function end with `return`?"
    assert hasattr(path, "__len__"), f"the path in {what} is a {type(path).__name__}, where a list of triples is expected"
    for n, (place, wanted) in enumerate(zip(path, right, strict=False)):
        triple = hasattr(place, "__len__") and len(place) == 3
        assert triple, f"place {n} of the path in {what} is {place!r}, where a triple (w, b, loss) is expected"
        largest = max(map(abs, wanted))
        for i, name in enumerate(("w", "b", "the loss")):
            known = {s: wrong[i] for s, wrong in (mistakes or {}).items() if n == 1 and wrong[i] is not None}
            where = f"{name} after {n} step{'s' * (n != 1)} in {what}"
            expect(where, place[i], wanted[i], 1e-6 * largest / max(abs(wanted[i]), 1e-300), mistakes=known)
    places = f"{len(path)} place{'s' * (len(path) != 1)}, expected {len(right)}, the first and the last included"
    assert len(path) == len(right), f"the path in {what} has {places}"


# %% part="public" question="downhill" points=2
def test_two_steps_in_a_bowl():
    """Two steps from (1, 1) in the bowl L = w² + 2 b², with lr = 0.1."""
    path = descend(lambda w, b: (w * w + 2 * b * b, 2 * w, 4 * b), 1.0, 1.0, 0.1, 2)
    mistakes = {
        "it is 1.2, expected 0.8: a step goes uphill; it is to go against the derivative": (1.2, None, None),
        "it is -1, expected 0.8: the derivative is to be multiplied by lr": (-1.0, None, None),
    }
    right = [(1.0, 1.0, 3.0), (0.8, 0.6, 1.36), (0.64, 0.36, 0.6688)]
    _check_path("L = w² + 2 b² from (1, 1) with lr = 0.1", path, right, mistakes)


# %% part="hidden" question="downhill" points=1
def test_both_at_once():
    """Two steps from (1, 2) in L = w b, where each of the two is the derivative by the other."""
    path = descend(lambda w, b: (w * b, b, w), 1.0, 2.0, 0.25, 2)
    mistakes = {
        "it is 1.875, expected 1.75: the slope by b was taken at the new w. Both change at once": (None, 1.875, None),
        "it is 0.5625, expected 0.5: the slope by w was taken at the new b. Both change at once": (0.5625, None, None),
    }
    right = [(1.0, 2.0, 2.0), (0.5, 1.75, 0.875), (0.0625, 1.625, 0.1015625)]
    _check_path("L = w b from (1, 2) with lr = 0.25", path, right, mistakes)


# %% part="hidden" question="downhill" points=1
def test_no_step_and_steps_that_are_too_large():
    """The path of no step and of one, and a path on which the loss rises, since lr is too large."""
    _check_path("L = w + b from (3, 4), 0 steps", descend(lambda w, b: (w + b, 1.0, 1.0), 3.0, 4.0, 0.5, 0), [(3.0, 4.0, 7.0)])
    path = descend(lambda w, b: (w + b, 1.0, 1.0), 3.0, 4.0, 0.5, 1)
    _check_path("L = w + b from (3, 4) with lr = 0.5", path, [(3.0, 4.0, 7.0), (2.5, 3.5, 6.0)])
    path = descend(lambda w, b: (5 * w * w + b * b, 10 * w, 2 * b), 1.0, 1.0, 0.3, 2)
    right = [(1.0, 1.0, 6.0), (-2.0, 0.4, 20.16), (4.0, 0.16, 80.0256)]
    _check_path("L = 5 w² + b² from (1, 1) with lr = 0.3, where the loss rises", path, right)


# %% part="given" question="downhill"
POINTS = [(-2.0, -0.9), (-1.0, -0.8), (0.0, -0.3), (1.0, 0.6), (2.0, 0.9)]


def unit_slopes(w, b):
    """The mean squared error of tanh(w x + b) at the points, and its derivatives by w and b, from your engine."""
    w, b = Value(w), Value(b)
    loss = sum(((w * x + b).tanh() - t) ** 2 for x, t in POINTS) / len(POINTS)
    backward(loss)
    return loss.data, w.grad, b.grad


def tangent(x):
    """f(x) = tanh(3 x) / (1 + x²) - e^-x / 5, and its slope, from your engine."""
    x = Value(x)
    y = (3 * x).tanh() / (1 + x * x) - (-x).exp() / 5
    backward(y)
    return y.data, x.grad


if __name__ == "__main__":
    import matplotlib.pyplot as plt
    import numpy as np
    from matplotlib.colors import LogNorm

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    xs = np.linspace(-2, 2, 200)
    left.plot(xs, [tangent(x)[0] for x in xs])
    for x in np.linspace(-1.8, 1.8, 9):
        y, slope = tangent(x)
        left.plot([x - 0.25, x + 0.25], [y - 0.25 * slope, y + 0.25 * slope], color="#d55e00", marker="|")
    left.set(title="Tangents of tanh(3 x) / (1 + x²) - exp(-x) / 5", xlabel="x")
    ws, bs = np.linspace(-0.5, 3.2, 61), np.linspace(-1.3, 1.8, 51)
    losses = [[unit_slopes(w, b)[0] for w in ws] for b in bs]
    right.contour(ws, bs, losses, levels=np.logspace(-2.5, 0.5, 19), norm=LogNorm(1e-3, 10), cmap="Greys_r", linewidths=0.7)
    for lr, marker in ((0.1, "."), (1.0, "o"), (6.0, "s")):
        path = np.array(descend(unit_slopes, 0.0, 1.5, lr, 40))
        right.plot(path[:, 0], path[:, 1], marker=marker, markersize=4, linewidth=1, label=f"lr = {lr}: loss {path[-1, 2]:.3f}")
    right.set(title="A unit learns: 40 steps from (0, 1.5)", xlabel="w", ylabel="b", aspect="equal")
    right.legend()
    figure.savefig("hw1.png", dpi=110)
    print("hw1.png is written")
    plt.show()
