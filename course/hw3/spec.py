# %% [markdown]
# # 3. The walk: order, accumulation, broadcasting
#
# In assignment 2 each operation learned to send a gradient back to its inputs. Who calls these operations, and when?
# A network is seldom a chain: a value is used twice, a residual connection goes around a layer, one bias serves a
# whole batch. In this assignment you write the walk from the loss back to the parameters, for any such graph, in
# three parts that are each about ten lines. At the end you count the paths that it saves you from walking.
#
# ## One number, many paths
#
# Draw a node for each value, and an edge from it to each value that it was computed from, its *parents*. The loss L
# is at the top, and the parameters are the *leaves*, which have no parents. Raise a leaf x a little. The change
# travels up along every path from x to L, and is multiplied at each edge by the derivative there. All that arrives is
# added:
#
#     dL/dx = sum over all paths from L to x of  (product of the derivatives along the path)
#
# This is the chain rule, and as a program it would be a disaster. In a residual network of n blocks, h = h + f(h),
# each block can be passed in two ways, so there are 2^n paths. But they have most of their edges in common. Take the
# last edge of each path, the one that ends in x, and put together the paths that share it:
#
#     dx = sum over all y that were computed from x of  dy ∂y/∂x
#
# Now each edge is used once, and the work is as much as that of the forward pass. There is one condition: **dy must
# be complete before it is sent on**. Everything that was computed from y must have had its turn before y.
#
# ## Order
#
# So we look for an order in which each node stands before its parents. There always is one: the order in which the
# values were computed, reversed, for a value is computed after its parents. (minidl numbers its tensors for this
# purpose.) Without numbers it can be found by a search that goes from L to parents, to their parents, and so on. Say
# that a node is *finished* when all its parents are, and write down the nodes as they finish. Each node is then
# written after all of its parents, and the list read backwards is what we want. The order in which nodes are first
# *met* will not do:
#
#     L = b + x,  b = tanh(a),  a = 2 x
#
# From L one meets b and x at once, and a only afterwards. But x is a parent of a, so it must come last.
#
# ## Accumulation
#
# A node's gradient is a sum over everything that was computed from it, and the summands come one at a time. Add each
# to what is there. Add it into a *new* array: an addition z = x + y sends the same array dz to x and to y, and
# whoever writes into it for x has changed the gradient of y.
#
# The leaves keep their sum in `.grad` when the walk is over, and the next walk adds to that. This is how the
# gradients of several batches are put together, and why an optimizer has `zero_grad`. The nodes in between keep
# nothing: what they had from the last walk must not be sent back again.
#
# ## Broadcasting
#
# In z = x · b with x of shape (5, 3) and b of shape (3,), NumPy repeats b five times. Each b_j is used in five rows,
# and what is used five times gets a sum of five gradients. In general, write B for broadcasting to the shape of z. It
# is a linear map, a matrix with a single 1 in each row. A backward pass multiplies by the transpose, and the
# transpose Bᵀ is found from what a transpose is: for all arrays x of the small shape and dz of the large one,
#
#     sum of  dz · B(x)   =   sum of  Bᵀ(dz) · x
#
# On the left, x_j is multiplied by every dz that stands where x_j was repeated. So Bᵀ sums over the repetitions.
# There are two kinds of them. Axes that x does not have are added in front: (3,) becomes (1, 3). Then axes of length
# 1 are stretched: (1, 3) becomes (5, 3).
#
# ## What is asked
#
# | question | | points |
# |---|---|---|
# | 1 | the order | 6 |
# | 2 | the accumulation | 5 |
# | 3 | the broadcasting | 5 |
# | 4 | the number of paths, and the picture | 4 |
#
# It takes about three hours. The questions can be answered in any order, for the tests of each bring along what they
# need; the picture needs 1, 2 and 4.

# %% [markdown] lang="zh"
# # 3. 往回走：次序、累加、广播
#
# 在第 2 次作业里，每个运算都学会了把梯度送回给自己的输入。那么由谁来调用这些运算，又在什么时候调用？网络很少只是一条链：一个值会用到两次，残差连接绕过一层，同一个偏置用于整批样本。这次作业请你写出从损失回到参数的这一趟，要求对任何这样的图都适用。它分三部分，每部分十行左右。最后，你来数一数它替你省去了多少条路径。
#
# ## 一个数，许多路径
#
# 给每个值画一个节点，再从它向算出它所用的每个值画一条边，那些值叫作它的*父节点*。损失 L 在最上面；参数是*叶子*，没有父节点。把一个叶子 x 增加一点点，这个改变就沿着从 x 到 L 的每条路径往上传，每过一条边，就乘以那里的导数，到达 L 的全部加在一起：
#
#     dL/dx = 对从 L 到 x 的所有路径求和  (路径上各导数之积)
#
# 这就是链式法则；可是照这样写程序，就是一场灾难。残差网络每一块是 h = h + f(h)，穿过一块有两种走法，n 块就有 2^n 条路径。不过这些路径的大部分边是公共的。看每条路径的最后一条边，也就是到达 x 的那一条，把这条边相同的路径归到一起：
#
#     dx = 对由 x 算出的所有 y 求和  dy ∂y/∂x
#
# 这样，每条边只用一次，工作量与前向传播相当。条件只有一个：**dy 必须先算完整，才能往下送**。凡是由 y 算出的节点，都要排在 y 之前处理。
#
# ## 次序
#
# 所以要找一种次序，使每个节点都排在自己的父节点之前。这样的次序总是存在的：把各个值算出来的次序反过来就是，因为一个值总是在它的父节点之后才算出来。（minidl 正是为此给张量编号的。）没有编号，也可以靠搜索找到：从 L 走到它的父节点，再走到父节点的父节点，依此类推。一个节点的所有父节点都*完成*了，我们就说它完成了；按完成的先后记下各个节点，那么每个节点都记在它的所有父节点之后，把这张表倒过来读，就是我们要的次序。按*初次遇到*的先后排列则不行：
#
#     L = b + x,  b = tanh(a),  a = 2 x
#
# 从 L 出发，马上就遇到 b 和 x，然后才遇到 a。可是 x 是 a 的父节点，必须排在最后。
#
# ## 累加
#
# 一个节点的梯度，是对由它算出的一切求和，而各个加数是一个一个到来的。每来一个，就加到已有的和上。加的结果要放进一个*新*数组：加法 z = x + y 把同一个数组 dz 送给 x 和 y，谁为了 x 往里面写，就把 y 的梯度也改了。
#
# 走完一趟之后，叶子把和留在 `.grad` 里，下一趟再往上加。几批样本的梯度就是这样合在一起的，优化器也因此要有 `zero_grad`。中间的节点什么也不留：上一趟得到的梯度，不可以再送一次。
#
# ## 广播
#
# 在 z = x · b 中，x 的形状是 (5, 3)，b 的形状是 (3,)，NumPy 把 b 重复五次。每个 b_j 用在五行里，用到五次，得到的就是五个梯度之和。一般地，把“广播到 z 的形状”记作 B。它是线性映射，写成矩阵，每行只有一个 1。反向传播就是乘以它的转置，而转置 Bᵀ 可以由转置的定义求出：对任意小形状的数组 x 和大形状的数组 dz，都有
#
#     dz · B(x) 的和   =   Bᵀ(dz) · x 的和
#
# 左边，x_j 乘以它被重复到的每个位置上的 dz。所以 Bᵀ 就是对各次重复求和。重复有两种：先在前面补上 x 没有的轴，(3,) 变成 (1, 3)；再把长度为 1 的轴拉长，(1, 3) 变成 (5, 3)。
#
# ## 题目
#
# | 题号 | | 分数 |
# |---|---|---|
# | 1 | 次序 | 6 |
# | 2 | 累加 | 5 |
# | 3 | 广播 | 5 |
# | 4 | 路径的条数，以及画图 | 4 |
#
# 大约需要三小时。各题可以按任意次序做，每题的测试都自带所需的一切；画图则需要先做完第 1、2、4 题。

# %% part="setup"
import time
import timeit

import numpy as np

from minidl import gradcheck
from minidl.tensor import Tensor, record

STUDENT = ""  # your id, if your instructor gave each student numbers of their own

# %% part="tests"
import contextlib
import sys

from course.expect import expect
from minidl.random import Generator


def _check_order(what, given, nodes):
    """Each of the nodes once, nothing else, and each before its parents."""
    assert given is not None, f"{what} is None: does the function end with `return`?"
    assert hasattr(given, "__iter__"), f"{what} is a {type(given).__name__}, where a list of nodes is expected"
    given = list(given)
    for node in given:
        assert isinstance(node, type(nodes[0])), f"{what} holds a {type(node).__name__}, where every element is a Node"
    places = {}
    for place, node in enumerate(given):
        assert node not in places, f"{what} has {node.name} twice, at places {places[node]} and {place}: each node once"
        places[node] = place
    names = {node.name for node in given}
    missing = [node.name for node in nodes if node not in places]
    for name in missing:
        assert name not in names, (
            f"{what}: a {name} is missing, though another of that name is there: go by nodes, not by names"
        )
    assert not missing, f"{what} has {len(given)} nodes, and {missing[0]} is missing"
    assert len(given) == len(nodes), f"{what} has {len(given)} nodes, where only {len(nodes)} were used to compute the first"
    edges = [(node, parent) for node in given for parent in node.parents]
    wrong = [(node, parent) for node, parent in edges if places[parent] < places[node]]
    assert not wrong or len(wrong) < len(edges), f"{what} has every node after its parents: read the list backwards"
    for node, parent in wrong:
        raise AssertionError(
            f"{what} has {parent.name} before {node.name}, which was computed from it: the gradient of {parent.name} would "
            f"be sent on before {node.name} has added its part"
        )


def _watched(function):
    """A class of nodes that can tell when the function asks for their parents too often."""

    class Watched(Node):
        looks = 0

        def __getattribute__(self, attribute):
            if attribute == "parents":
                Watched.looks += 1
                assert Watched.looks <= 100_000, (
                    f"{function} has asked for the parents of nodes 100,000 times, in a graph of about 100 nodes: there are "
                    "more than 2^40 paths, so visit each node once, however many paths lead to it"
                )
            return super().__getattribute__(attribute)

    return Watched


@contextlib.contextmanager
def _turns():
    """Says of a KeyError for a node what it means."""
    try:
        yield
    except KeyError as error:
        node = error.args[0] if error.args else None
        if not isinstance(node, Node):
            raise
        raise AssertionError(_too_early(node)) from None


def _too_early(node):
    return f"{node.name} had its turn before anything was sent to it: L, the first of the nodes, has the first turn"


def _walk(nodes):
    """Calls the student's backward, which must send something to a node before it takes it from there."""

    def asked(node, rule):
        def checked(dy):
            assert dy is not None, _too_early(node)
            return rule(dy)

        return checked

    for node in nodes:
        node.rule = node.rule and asked(node, node.rule)
    with _turns():
        backward(nodes)


def _expect_grad(where, leaf, right, tolerance=1e-6, mistakes=None):
    assert leaf.grad is not None, f"{where}, {leaf.name}.grad is None: backward must leave a gradient in every leaf"
    expect(f"{where}, {leaf.name}.grad", leaf.grad, right, tolerance, mistakes)


def _own_unbroadcast(dy, shape):
    """Calls the student's function, which must not leave the work to minidl's of the same name."""
    called = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: called.append((frame.f_code.co_name, frame.f_globals.get("__name__", ""))))
    try:
        result = unbroadcast(dy, shape)
    finally:
        sys.setprofile(before)
    minidls = any(name == "unbroadcast" and module.startswith("minidl.") for name, module in called)
    assert not minidls, "unbroadcast calls minidl's function of the same name, and is yours to write"
    return result


def _expect_paths(what, given, right, mistakes=None):
    """The number of paths, exactly, for it is an int."""
    expect(what, given, right, mistakes=mistakes)
    assert type(given) is int, f"{what} is a {type(given).__name__}, where a Python int is expected"


# %% [markdown] question="order"
# ## Question 1: the order (6 points)
#
# The class `Node` below is a node of the graph, and `add`, `mul`, `tanh` and `total` make one from others. Write
# `order(root)`. It returns a list of all the nodes that `root` was computed from, with `root` itself first. Each node
# is in the list once, however many paths lead to it, and each stands before its parents. There are several such
# orders; any of them is right.
#
# Networks are deep, and Python allows a function to call itself about a thousand times. The tests have a chain of
# 3,000 operations, so do not use recursion. (`sys.setrecursionlimit` would get it through the tests, but it is a
# switch for the whole program, and no number is right for every network.) Keep a list of what is still to be done. A
# node stands on it twice: once to be opened, and once to be written down when its parents are. Or count, for each
# node, those that were computed from it, and take it when they all have been. The tests also have a graph of 81 nodes
# with 2^40 paths, on which a search that forgets where it has been will not end. A Node can be in a set, or be the
# key of a dict; the names are for messages, and several nodes may have the same.

# %% [markdown] question="order" lang="zh"
# ## 第 1 题：次序（6 分）
#
# 下面的类 `Node` 是图的一个节点，`add`、`mul`、`tanh` 和 `total` 由已有的节点得出新的节点。请写 `order(root)`。它返回一个列表，其中是算出 `root` 所用到的全部节点，`root` 自己排在第一。无论有多少条路径通到一个节点，它在列表中只出现一次，并且排在自己的父节点之前。这样的次序不止一种，任何一种都对。
#
# 网络可以很深，而 Python 函数调用自身的层数大约以一千为限。测试中有一条由 3,000 个运算组成的链，所以不要用递归。（用 `sys.setrecursionlimit` 也能通过测试，但它影响整个程序，而且无论设成多少，总有更深的网络。）请用一个列表记住还有哪些事要做。每个节点在其中出现两次：一次是要把它展开，一次是在它的父节点都记下之后把它记下。或者数一数由每个节点算出的节点有几个，等它们都处理过了，再处理这个节点。测试中还有一个图，只有 81 个节点，却有 2^40 条路径；如果搜索时不记得到过哪里，就永远走不完。Node 可以放进集合，也可以作字典的键；名称只用于提示信息，几个节点可以同名。


# %% part="given" question="order"
class Node:
    """An array, the nodes it was computed from, and the rule that takes its gradient back to them.

    `rule(dy)` returns one gradient for each of `parents`. A leaf has no parents, and no rule. `grad` is None until a gradient
    arrives. The name is for messages.
    """

    def __init__(self, data, parents=(), rule=None, name=""):
        self.data = np.asarray(data, dtype=np.float64)
        self.parents, self.rule, self.name = parents, rule, name
        self.grad = None

    def __repr__(self):
        return f"Node({self.name!r})"


def add(x, y, name="sum"):
    return Node(x.data + y.data, (x, y), lambda dz: (dz, dz), name)


def mul(x, y, name="product"):
    return Node(x.data * y.data, (x, y), lambda dz: (dz * y.data, dz * x.data), name)


def tanh(x, name="tanh"):
    y = np.tanh(x.data)
    return Node(y, (x,), lambda dy: (dy * (1 - y * y),), name)


def total(x, name="L"):
    return Node(x.data.sum(), (x,), lambda dy: (np.full(x.data.shape, dy, np.float64),), name)


# %% part="solution" question="order"
def order(root):
    """All nodes that root was computed from, and root: each once, each before its parents."""
    # BEGIN SOLUTION
    finished, met, to_do = [], set(), [(root, False)]
    while to_do:
        node, parents_done = to_do.pop()
        if parents_done:
            finished.append(node)
        elif node not in met:
            met.add(node)
            to_do.append((node, True))
            to_do.extend((parent, False) for parent in node.parents)
    return finished[::-1]
    # END SOLUTION


# %% part="public" question="order" points=2
def test_order_of_a_shortcut():
    """The order of L = b + x with b = tanh(a), a = x·w, and of the same with x + b."""
    x, w = Node(1.0, name="x"), Node(2.0, name="w")
    a = mul(x, w, "a")
    b = tanh(a, "b")
    for root, what in ((add(b, x, "L"), "order(b + x)"), (add(x, b, "L"), "order(x + b)")):
        _check_order(what, order(root), [root, b, a, x, w])


# %% part="public" question="order" points=1
def test_each_node_once():
    """The order of L = (x + x)·(x + x), in which x is used four times, and a node that L does not use is not there."""
    x = Node(3.0, name="x")
    s = add(x, x, "s")
    tanh(x, "unused")
    root = mul(s, s, "L")
    _check_order("order(s·s), with s = x + x,", order(root), [root, s, x])


# %% part="hidden" question="order" points=1
def test_order_of_a_long_chain():
    """The order of 3,000 operations, one after the other."""
    nodes = [Node(0.5, name="x")]
    for n in range(3000):
        nodes.append(tanh(nodes[-1], f"operation {n % 1000}"))  # a name may be there several times
    try:
        given = order(nodes[-1])
    except RecursionError:
        raise AssertionError("order calls itself too often for 3,000 operations in a row: use a list, no recursion") from None
    _check_order("order of a chain of 3,000 operations", given, nodes)


# %% part="hidden" question="order" points=1
def test_order_where_there_are_many_paths():
    """The order of 40 residual blocks, h = h + tanh(h), which 2^40 paths lead through."""
    Watched = _watched("order")
    nodes = [Watched(0.5, name="x")]
    for n in range(40):
        branch = Watched(0.0, (nodes[-1],), None, f"branch {n}")
        nodes += [branch, Watched(0.0, (nodes[-1], branch), None, f"block {n}")]
    given = order(nodes[-1])
    Watched.looks = 0  # from here on it is the test that looks
    _check_order("order of 40 residual blocks", given, nodes)


# %% part="hidden" question="order" points=1
def test_order_of_random_graphs():
    """The order of 30 graphs in which every node has up to three random parents."""
    rng = Generator(7).stream(str(STUDENT))
    for graph in range(30):
        nodes = [Node(0.0, name="node 0")]
        for n in range(1, 12):
            known = [nodes[i] for i in rng.integers(0, n, 3)]
            nodes.append(Node(0.0, tuple(known[: 1 + n % 3]), None, f"node {n}"))
        used = {nodes[-1]}  # parents are older, so one pass from the youngest to the oldest finds all
        for node in reversed(nodes):
            used |= set(node.parents) if node in used else set()
        _check_order(f"order of random graph {graph}", order(nodes[-1]), [node for node in nodes if node in used])


# %% [markdown] question="accumulate"
# ## Question 2: the accumulation (5 points)
#
# Write `backward(nodes)`. `nodes` is a list as `order` returns it; its first node is the loss L, a single number. Go
# through the list, call `node.rule(dy)` with the node's gradient, and give every parent its part. A leaf has no rule
# to call. dL/dL is 1; begin with `np.ones(())`, an array of one number. At the end the `.grad` of each leaf must hold
# dL/d(leaf), added to what it held before. Called twice, `backward` has thus added the same gradient twice, and not
# more. The nodes between L and the leaves keep nothing: their `.grad` is None afterwards. Write into no array that you
# got from a rule.

# %% [markdown] question="accumulate" lang="zh"
# ## 第 2 题：累加（5 分）
#
# 请写 `backward(nodes)`。`nodes` 是 `order` 返回的那种列表，第一个节点是损失 L，它只是一个数。依次处理列表中的节点，用节点的梯度调用 `node.rule(dy)`，把结果分给各个父节点。叶子没有 rule 可以调用。dL/dL 等于 1，请从 `np.ones(())` 开始，它是只含一个数的数组。最后，每个叶子的 `.grad` 应当是原来的值加上 dL/d(叶子)。所以调用两次 `backward`，同一个梯度就加了两次，不会更多。L 与叶子之间的节点什么也不留：结束后它们的 `.grad` 是 None。凡是 rule 返回的数组，都不可以往里面写。


# %% part="solution" question="accumulate"
def backward(nodes):
    """Adds dL/d(leaf) to the .grad of every leaf; L is the first of the nodes, which stand before their parents."""
    # BEGIN SOLUTION
    gradients = {nodes[0]: np.ones_like(nodes[0].data)}
    for node in nodes:
        dy = gradients[node]
        if not node.parents:
            node.grad = dy if node.grad is None else node.grad + dy
            continue
        for parent, part in zip(node.parents, node.rule(dy), strict=True):
            gradients[parent] = gradients[parent] + part if parent in gradients else part
    # END SOLUTION


# %% part="public" question="accumulate" points=1
def test_gradient_of_a_product():
    """The gradients of L = x·y at x = 3, y = 5."""
    x, y = Node(3.0, name="x"), Node(5.0, name="y")
    _walk([mul(x, y), x, y])
    begins_with_l = {"it is 75, where 5 is right: the walk begins with dL/dL, which is 1, and not with L": 75.0}
    _expect_grad("in L = x·y at x = 3, y = 5", x, 5.0, mistakes=begins_with_l)
    _expect_grad("in L = x·y at x = 3, y = 5", y, 3.0)


# %% part="public" question="accumulate" points=1
def test_gradient_along_two_paths():
    """The gradient of L = x·x + x at x = 3, where three paths lead to x."""
    x = Node(3.0, name="x")
    square = mul(x, x)
    _walk([add(square, x), square, x])
    _expect_grad("in L = x·x + x at x = 3, where three paths bring 3, 3 and 1", x, 7.0)


# %% part="public" question="accumulate" points=1
def test_gradients_that_share_an_array():
    """The gradients of L = sum of (x + y) + x: an addition sends the same array to both of its inputs."""
    x, y = Node([1.0, 2.0], name="x"), Node([3.0, 4.0], name="y")
    s = add(x, y)
    t = add(s, x)
    _walk([total(t), t, s, x, y])
    written = "each element is 2, where 1 is right: what x was sent is added into an array that y was sent, too (is it by +=?)"
    _expect_grad("in L = sum of (x + y) + x", x, [2.0, 2.0])
    _expect_grad("in L = sum of (x + y) + x", y, [1.0, 1.0], mistakes={written: [2.0, 2.0]})
    for node, name in ((s, "x + y"), (t, "(x + y) + x")):
        assert node.grad is None, (
            f"the .grad of {name} is {node.grad} after the walk, where None is expected: nodes in between keep nothing, so that "
            "the next walk does not send it again"
        )


# %% part="hidden" question="accumulate" points=1
def test_two_walks_add_up():
    """What the leaves hold after two walks through one graph, L = tanh(x + y) at 0, where all slopes are 1."""
    x, y = Node([0.0, 0.0], name="x"), Node([0.0, 0.0], name="y")
    s = add(x, y)
    h = tanh(s)
    nodes = [total(h), h, s, x, y]
    _walk(list(nodes))
    _walk(list(nodes))
    mistakes = {
        "it is 1, where 2 is right: add to what a leaf has, and do not replace it": [1.0, 1.0],
        "it is 4, where 2 is right: nodes in between keep what the first walk left there, and send it again": [4.0, 4.0],
        "it is 5, where 2 is right: all nodes, L among them, keep what the first walk left there, and send it again": [
            5.0,
            5.0,
        ],
        "it is 3, where 2 is right: x and y share an array, and what the second walk adds to one of them is written into it "
        "(is it by +=?)": [3.0, 3.0],
    }
    for leaf in (x, y):
        _expect_grad("after two walks that bring 1 each", leaf, [2.0, 2.0], mistakes=mistakes)


# %% part="hidden" question="accumulate" points=1
def test_gradients_of_a_small_network():
    """The gradients of L = sum of tanh(x·w + h·w) + h with h = tanh(x·w), compared with difference quotients."""
    values = Generator(7).stream(str(STUDENT)).normal((2, 3), dtype=np.float64)

    def graph(x, w):
        x, w = Node(x, name="x"), Node(w, name="w")
        p = mul(x, w)
        h = tanh(p)
        q = mul(h, w)
        s = add(p, q)
        t = tanh(s)
        u = add(t, h)
        return [total(u), u, t, s, q, h, p, x, w]

    nodes = graph(*values)
    _walk(nodes)
    for k, leaf in enumerate(nodes[-2:]):
        quotients = np.empty(3)
        for i in range(3):
            step = np.zeros((2, 3))
            step[k, i] = 1e-5
            quotients[i] = (graph(*(values + step))[0].data - graph(*(values - step))[0].data) / 2e-5
        # the quotient errs by its step squared, times a third derivative of a few units
        _expect_grad("in a small network", leaf, quotients, 1e-7)


# %% [markdown] question="broadcast"
# ## Question 3: the broadcasting (5 points)
#
# Write `unbroadcast(dy, shape)`, which is Bᵀ: dy, an array, has the shape that something of shape `shape` was
# broadcast to. Return an array of shape `shape`, in which each element is the sum over the places where it was
# repeated. `shape` may be dy's own, or (). Do not change dy. minidl has a function of this name, which messages of
# minidl may mention; do not call it here.
#
# Below it your function is put to use, in a product of minidl's tensors that lets NumPy broadcast. `saved=(x, y)` says
# that its `backward` reads the values of x and y, so that minidl can tell when they were changed before that.

# %% [markdown] question="broadcast" lang="zh"
# ## 第 3 题：广播（5 分）
#
# 请写 `unbroadcast(dy, shape)`，也就是 Bᵀ：dy 是一个数组，它的形状是由 `shape` 广播而来的。返回一个形状为 `shape` 的数组，每个元素等于它被重复到的各个位置上的 dy 之和。`shape` 可以就是 dy 自己的形状，也可以是 ()。不要改动 dy。minidl 自己也有一个同名的函数，minidl 的提示信息可能会提到它；在这里请不要调用。
#
# 它下面是一个用到它的例子：minidl 张量的乘法，其中的广播由 NumPy 来做。`saved=(x, y)` 表示它的 `backward` 要用到 x 和 y 的值，这样，如果它们在此之前被改动过，minidl 就能发现。


# %% part="solution" question="broadcast"
def unbroadcast(dy, shape):
    """dy, summed over the places to which an array of this shape was repeated."""
    # BEGIN SOLUTION
    dy = dy.sum(axis=tuple(range(dy.ndim - len(shape))))
    return dy.sum(axis=tuple(axis for axis, n in enumerate(shape) if n == 1), keepdims=True)
    # END SOLUTION


# %% part="given" question="broadcast"
def multiply(x, y):
    """z = x y for two tensors, elementwise, with broadcasting."""
    a, b = x.data, y.data

    def backward(dz):
        return unbroadcast(dz * b, a.shape), unbroadcast(dz * a, b.shape)

    return record(a * b, (x, y), backward, saved=(x, y))


# %% part="public" question="broadcast" points=1
def test_unbroadcast_of_rows():
    """A row that was added in front, and an axis of length 1 that was stretched."""
    dy = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    mean = "this is the mean over the places, where the sum is right"
    lost = "the sums are right, but the axis of length 1 is lost: keepdims=True keeps it"
    for shape, right, mistakes in (
        ((3,), [11.0, 22.0, 33.0], {mean: [5.5, 11.0, 16.5]}),
        ((1, 3), [[11.0, 22.0, 33.0]], {mean: [[5.5, 11.0, 16.5]], lost: [11.0, 22.0, 33.0]}),
        ((2, 1), [[6.0], [60.0]], {mean: [[2.0], [20.0]], lost: [6.0, 60.0]}),
    ):
        given = _own_unbroadcast(dy.copy(), shape)
        expect(f"unbroadcast of a 2x3 array to the shape {shape}", given, right, mistakes=mistakes)


# %% part="public" question="broadcast" points=1
def test_unbroadcast_that_has_nothing_to_do():
    """A shape that is dy's own, also with axes of length 1, and one that is ()."""
    dy = np.array([[1.0, 2.0, 3.0]])
    expect("unbroadcast of a 1x3 array to its own shape", _own_unbroadcast(dy.copy(), (1, 3)), [[1.0, 2.0, 3.0]])
    expect("unbroadcast of a 1x3 array to the shape ()", _own_unbroadcast(dy, ()), 6.0)
    expect("dy after unbroadcast(dy, shape), which must not change it: dy", dy, [[1.0, 2.0, 3.0]])


# %% part="hidden" question="broadcast" points=1
def test_unbroadcast_of_many_shapes():
    """The sums for arrays of up to three axes, some of the same length, and 14 shapes that broadcast to them."""
    rng = Generator(7).stream(str(STUDENT))
    ten = ((2, 3), (3,), (2, 1), (1, 3), (1, 1), (1,), (4, 1, 3), (4, 1, 1), (1, 2, 1), ())
    equal_lengths = (((3, 3), (3, 1)), ((3, 3), (3,)), ((2, 3, 3), (3, 1)), ((3, 2, 3), (2, 3)))
    for large, shape in (*(((4, 2, 3), shape) for shape in ten), *equal_lengths):
        dy = rng.normal(large, dtype=np.float64)
        size = int(np.prod(shape))
        element = np.broadcast_to(np.arange(size).reshape(shape), large)  # which element stands at each place
        sums = np.bincount(element.ravel(), dy.ravel(), size).reshape(shape)
        # sums of up to 24 numbers of about 1, in another order: they differ by rounding alone, about 1e-15
        what = f"unbroadcast of a {'x'.join(map(str, large))} array to the shape {shape}"
        expect(what, _own_unbroadcast(dy, shape), sums, 1e-9)


# %% part="hidden" question="broadcast" points=2
def test_multiply_with_broadcasting():
    """The gradients of multiply(x, y) for shapes that broadcast one or both of the two, compared with differences."""
    _own_unbroadcast(np.ones((2, 3)), (3,))
    rng = Generator(7).stream(str(STUDENT))
    for shapes in (((3, 4), (4,)), ((3, 1), (4,)), ((3, 1), (1, 4)), ((), (2, 3)), ((2, 3, 1), (3, 4))):
        x, y = (Tensor(rng.normal(shape, dtype=np.float64), requires_grad=True) for shape in shapes)
        gradcheck(multiply, (x, y))


# %% [markdown] question="paths"
# ## Question 4: the number of paths (4 points)
#
# Write `paths(nodes, leaf)`, the number of paths from the first of the nodes to `leaf`, as a Python int. In L = x·x
# there are two, for x is a parent of L twice. `nodes` is again a list as `order` returns it. Use the idea of the walk
# and not the definition: the graphs of the tests have up to 2^69 paths, and the number must be right to the last
# digit. (If each derivative along a path is 1, what is the sum over all paths? So put 1 for each derivative, and call
# no rule.)
#
# Then, with questions 1, 2 and 4 answered, run the file (in a notebook, its last cell). On the left you see the number
# of paths through three kinds of networks against the number of nodes. The grey line is the number of operations, each of which
# has one rule for your walk to call. From the slopes tell by what factor the number of paths grows with each node, and
# explain the three factors to yourself. On the right is the time that your walk takes for residual networks of up to
# 4,000 blocks, and 2^4000 paths. Expect a straight line; if it bends upwards, what does your search do again and
# again?

# %% [markdown] question="paths" lang="zh"
# ## 第 4 题：路径的条数（4 分）
#
# 请写 `paths(nodes, leaf)`，即从第一个节点到 `leaf` 的路径有多少条，返回 Python 的 int。在 L = x·x 中有两条，因为 x 是 L 的父节点两次。`nodes` 还是 `order` 返回的那种列表。请用“往回走”的思路，不要照定义去数：测试所用的图有多达 2^69 条路径，而且结果的每一位都必须正确。（如果路径上的每个导数都是 1，对所有路径求和等于多少？所以把每个导数都换成 1，不要调用 rule。）
#
# 做完第 1、2、4 题以后，运行这个文件（在笔记本中运行最后一个单元格）。左图是三种网络中路径的条数与节点数的关系，灰线是运算的个数，每个运算有一个 rule，由你写的这一趟来调用。请由斜率看出每多一个节点，路径的条数变为原来的几倍，并想一想这三个倍数是怎么来的。右图是你写的这一趟所用的时间，残差网络最多有 4,000 块，路径有 2^4000 条。应当是一条直线；如果往上弯，那么你的搜索把什么事做了一遍又一遍？


# %% part="solution" question="paths"
def paths(nodes, leaf):
    """The number of paths from the first of the nodes to the leaf."""
    # BEGIN SOLUTION
    numbers = {nodes[0]: 1}
    for node in nodes:
        for parent in node.parents:
            numbers[parent] = numbers.get(parent, 0) + numbers[node]
    return numbers[leaf]
    # END SOLUTION


# %% part="public" question="paths" points=2
def test_paths_by_hand():
    """The number of paths in L = x·y, in L = x·x and in L = x·x + x, and of those to x and to y in L = x·y + x."""
    x, y = Node(3.0, name="x"), Node(5.0, name="y")
    with _turns():
        derivative = {"3 is dL/dy at x = 3: put 1 for each derivative along a path, and call no rule": 3}
        _expect_paths("the number of paths to y in L = x·y", paths([mul(x, y), x, y], y), 1, derivative)
        square = mul(x, x)
        _expect_paths("the number of paths to x in L = x·x", paths([square, x], x), 2)
        _expect_paths("the number of paths to x in L = x·x + x", paths([add(square, x), square, x], x), 3)
        product = mul(x, y)
        nodes = [add(product, x), product, x, y]
        _expect_paths("the number of paths to x in L = x·y + x", paths(nodes, x), 2)
        _expect_paths("the number of paths to y in L = x·y + x", paths(nodes, y), 1)


# %% part="hidden" question="paths" points=1
def test_paths_of_residual_blocks():
    """The number of paths through 60 blocks h = h + tanh(h): two ways through each."""
    Watched = _watched("paths")
    nodes = [Watched(0.0, name="x")]
    for _ in range(60):
        nodes.append(Watched(0.0, (nodes[-1],), None, "branch"))
        nodes.append(Watched(0.0, (nodes[-2], nodes[-1]), None, "block"))
    with _turns():
        _expect_paths("the number of paths through 60 residual blocks, 2^60,", paths(nodes[::-1], nodes[0]), 2**60)


# %% part="hidden" question="paths" points=1
def test_paths_of_fibonacci():
    """The number of paths where each node is the sum of the two before it: 1, 1, 2, 3, 5, 8 and so on."""
    Watched = _watched("paths")
    nodes = [Watched(1.0, name="x")]
    nodes.append(Watched(1.0, (nodes[0],), None, "node 1"))
    for n in range(2, 100):
        nodes.append(Watched(1.0, (nodes[-1], nodes[-2]), None, f"node {n}"))
    fibonacci_100 = 354224848179261915075  # more than a float or a 64-bit integer can hold exactly
    with _turns():
        given = paths(nodes[::-1], nodes[0])
        _expect_paths("the number of paths to the first of 100 nodes, the 100th number of Fibonacci,", given, fibonacci_100)


# %% part="given" question="paths"
def chain(n):
    """h = tanh(h), n times."""
    h = x = Node(0.5)
    for _ in range(n):
        h = tanh(h)
    return h, x


def residual(n):
    """h = h + tanh(h), n times: two nodes each time."""
    h = x = Node(1e-3)
    for _ in range(n):
        h = add(h, tanh(h))
    return h, x


def fibonacci(n):
    """Each node is the sum of the two before it."""
    before = x = Node(0.5)
    h = tanh(x)
    for _ in range(n):
        before, h = h, add(h, before)
    return h, x


def seconds(root):
    """How long your walk takes, in time of the processor: the least of seven."""
    return min(timeit.repeat(lambda: backward(order(root)), timer=time.process_time, number=1, repeat=7))


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for network, marker in ((chain, "o"), (residual, "s"), (fibonacci, "^")):
        nodes_of = [(order(root), x) for root, x in map(network, range(1, 31))]
        numbers = [(len(nodes), paths(nodes, x)) for nodes, x in nodes_of if len(nodes) <= 31]
        left.semilogy(*zip(*numbers, strict=True), marker=marker, markersize=3, label=network.__doc__)
    operations = [(len(nodes), sum(node.rule is not None for node in nodes)) for nodes, _ in nodes_of]
    left.plot(*zip(*operations, strict=True), color="grey", linestyle=":", label="operations: one rule to call for each")
    left.set(title="Paths from the loss to the input", xlabel="nodes", ylabel="paths")
    left.legend(fontsize="small")
    blocks = [250, 500, 1000, 2000, 3000, 4000]
    right.plot(blocks, [1e3 * seconds(residual(n)[0]) for n in blocks], marker="s")
    right.set(title="Time of your walk through residual blocks", xlabel="blocks", ylabel="milliseconds")
    right.set_ylim(bottom=0)
    figure.savefig("hw3.png", dpi=110)
    print("hw3.png is written")
    plt.show()
