# %% [markdown]
# # 0. A template for an assignment
#
# Copy this file to course/hw9/spec.py and change it, cell by cell; docs/teaching.md explains the parts. This first cell is the
# page: the theory with its derivation, what is asked, and how long it takes.
#
# Let L be a number that depends on y = tanh(x), and write dy for the derivative of L by y. Then dx = dy (1 - y²).

# %% [markdown] lang="zh"
# # 0. 作业模板
#
# 将本文件复制为 course/hw9/spec.py，逐个单元格修改；各部分的说明见 docs/teaching.zh-CN.md。
# 第一个单元格是讲义：理论与推导、作业要求、所需时间。
#
# 设数 L 依赖于 y = tanh(x)，并记 L 对 y 的导数为 dy。则 dx = dy (1 - y²)。

# %% part="setup"
import numpy as np

from minidl import Tensor, gradcheck
from minidl.tensor import record

STUDENT = ""  # your id, if your instructor gave each student numbers of their own

# %% [markdown] question="tanh"
# ## Question 1: tanh (3 points)
#
# Write the backward of tanh: given dy, return dx in a tuple.

# %% [markdown] question="tanh" lang="zh"
# ## 第 1 题：tanh（3 分）
#
# 写出 tanh 的反向传播：给定 dy，以元组返回 dx。


# %% part="solution" question="tanh"
def tanh(x):
    """y = tanh(x), elementwise."""
    y = np.tanh(x.data)

    def backward(dy):
        # BEGIN SOLUTION
        return (dy * (1 - y * y),)
        # END SOLUTION

    return record(y, (x,), backward)


# %% part="tests"
from course.expect import expect
from minidl.random import Generator


# %% part="public" question="tanh" points=1
def test_tanh_backward_at_two_places():
    """The gradient of tanh at 0.5 and 2, compared with differences."""
    gradcheck(tanh, Tensor(np.array([0.5, 2.0]), requires_grad=True))


# %% part="hidden" question="tanh" points=2
def test_tanh_backward_of_a_matrix():
    """The gradient of tanh for a matrix, compared with differences."""
    x = Generator(7).stream(STUDENT).normal((3, 2), dtype=np.float64)
    gradcheck(tanh, Tensor(x, requires_grad=True))


# %% [markdown] question="mean"
# ## Question 2: the mean (2 points)
#
# Write `mean(numbers)`: the mean of a list of numbers.

# %% [markdown] question="mean" lang="zh"
# ## 第 2 题：平均值（2 分）
#
# 写出 `mean(numbers)`：一列数的平均值。


# %% part="solution" question="mean"
def mean(numbers):
    """The mean of a list of numbers."""
    # BEGIN SOLUTION
    # STUB: total = 0.0
    # STUB: raise NotImplementedError("mean is yours to write: go through the numbers, and add them up")
    return sum(numbers) / len(numbers)
    # END SOLUTION


# %% part="public" question="mean" points=1
def test_mean_of_two():
    """The mean of 1 and 2 is 1.5."""
    expect("mean([1, 2])", mean([1.0, 2.0]), 1.5)


# %% part="hidden" question="mean" points=1
def test_mean_of_one():
    """The mean of 4 alone is 4."""
    expect("mean([4])", mean([4.0]), 4.0)


# %% part="given" question="mean"
if __name__ == "__main__":
    print("The mean of 1, 2 and 3 is", mean([1.0, 2.0, 3.0]))

# %% [markdown] part="report" question="explain" points=4
# ## Question 3: explain (4 points)
#
# Why does a unit whose y is near 1 learn slowly? Write two sentences below.

# %% [markdown] part="report" question="explain" lang="zh"
# ## 第 3 题：解释（4 分）
#
# 为什么 y 接近 1 的单元学得慢？请在下面写两句话。

# %% [markdown] part="rubric" question="explain"
# 2 points: 1 - y² is near 0 there. 2 points: so dx, and with it the step, is small whatever dy is.

# %% [markdown] part="rubric" question="explain" lang="zh"
# 2 分：此处 1 - y² 接近 0。2 分：因此无论 dy 多大，dx 以及随之的更新都很小。
