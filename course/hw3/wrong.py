"""Wrong answers of assignment 3: what stands in the solution, what was written, words of the report, the score left."""

SEARCH = """    finished, met, to_do = [], set(), [(root, False)]
    while to_do:
        node, parents_done = to_do.pop()
        if parents_done:
            finished.append(node)
        elif node not in met:
            met.add(node)
            to_do.append((node, True))
            to_do.extend((parent, False) for parent in node.parents)
    return finished[::-1]"""
PASS_ON = "gradients[parent] = gradients[parent] + part if parent in gradients else part"
WALK = """    gradients = {nodes[0]: np.ones_like(nodes[0].data)}
    for node in nodes:
        dy = gradients[node]
        if not node.parents:
            node.grad = dy if node.grad is None else node.grad + dy
            continue
        for parent, part in zip(node.parents, node.rule(dy), strict=True):
            gradients[parent] = gradients[parent] + part if parent in gradients else part"""
SUMS = """    dy = dy.sum(axis=tuple(range(dy.ndim - len(shape))))
    return dy.sum(axis=tuple(axis for axis, n in enumerate(shape) if n == 1), keepdims=True)"""
COUNT = """    numbers = {nodes[0]: 1}
    for node in nodes:
        for parent in node.parents:
            numbers[parent] = numbers.get(parent, 0) + numbers[node]
    return numbers[leaf]"""
WRONG = [
    (
        "order: breadth first, as first met",
        SEARCH,
        """    found = [root]
    for node in found:
        found.extend(parent for parent in dict.fromkeys(node.parents) if parent not in found)
    return found
""",
        "order(b + x) has x before a, which was computed from it",
        16,
    ),
    (
        "order: depth first, as first met",
        SEARCH,
        """    found, to_do = {}, [root]
    while to_do:
        node = to_do.pop()
        if node not in found:
            found[node] = True
            to_do.extend(node.parents)
    return list(found)
""",
        "has x before a, which was computed from it",
        17,
    ),
    (
        "order: recursive",
        SEARCH,
        """    finished, met = [], set()

    def visit(node):
        if node not in met:
            met.add(node)
            for parent in node.parents:
                visit(parent)
            finished.append(node)

    visit(root)
    return finished[::-1]
""",
        "use a list, no recursion",
        19,
    ),
    (
        "order: forgets where it has been",
        "elif node not in met:",
        "else:",
        "order(b + x) has x twice",
        15,
    ),
    (
        "order: remembers by the data",
        SEARCH.split("while")[1],
        SEARCH.split("while")[1]
        .replace("node not in met", "float(node.data) not in met")
        .replace("met.add(node)", "met.add(float(node.data))"),
        "is missing",
        16,
    ),
    ("order: not reversed", "return finished[::-1]", "return finished", "after its parents: read the list backwards", 14),
    (
        "order: reversed in place, which returns None",
        "return finished[::-1]",
        "return finished.reverse()",
        "order(b + x) is None",
        14,
    ),
    (
        "order: remembers by the name",
        SEARCH.split("while")[1],
        SEARCH.split("while")[1]
        .replace("node not in met", "node.name not in met")
        .replace("met.add(node)", "met.add(node.name)"),
        "though another of that name is there",
        19,
    ),
    ("order: the root left out", "return finished[::-1]", "return finished[-2::-1]", "and L is missing", 14),
    ("order: leaves left out", "elif node not in met:", "elif node not in met and node.parents:", "is missing", 14),
    ("order: names for nodes", "return finished[::-1]", "return [n.name for n in finished[::-1]]", "holds a str", 14),
    ("backward: overwritten", PASS_ON, "gradients[parent] = part", "bring 3, 3 and 1, x.grad is 3", 17),
    (
        "backward: added in place",
        PASS_ON,
        """if parent in gradients:
                gradients[parent] += part
            else:
                gradients[parent] = part""",
        "what x was sent is added into an array that y was sent, too",
        19,
    ),
    (
        "backward: .grad replaced",
        "node.grad = dy if node.grad is None else node.grad + dy",
        "node.grad = dy",
        "add to what a leaf has, and do not replace it",
        19,
    ),
    (
        "backward: leaves added to in place",
        "node.grad = dy if node.grad is None else node.grad + dy",
        """if node.grad is None:
                node.grad = dy
            else:
                node.grad += dy""",
        "x and y share an array",
        19,
    ),
    (
        "backward: nodes in between keep theirs",
        WALK,
        """    nodes[0].grad = np.ones_like(nodes[0].data)
    for node in nodes:
        if node.parents:
            for parent, part in zip(node.parents, node.rule(node.grad), strict=True):
                parent.grad = part if parent.grad is None else parent.grad + part
""",
        "it is 4, where 2 is right: nodes in between keep",
        18,
    ),
    (
        "backward: nodes in between keep theirs, and L",
        WALK,
        """    nodes[0].grad = np.ones_like(nodes[0].data) + (0 if nodes[0].grad is None else nodes[0].grad)
    for node in nodes:
        if node.parents:
            for parent, part in zip(node.parents, node.rule(node.grad), strict=True):
                parent.grad = part if parent.grad is None else parent.grad + part
""",
        "it is 5, where 2 is right: all nodes, L among them, keep",
        18,
    ),
    (
        "backward: nodes in between keep theirs until the next walk",
        WALK,
        """    for node in nodes:
        node.grad = None if node.parents else node.grad
    nodes[0].grad = np.ones_like(nodes[0].data)
    for node in nodes:
        if node.parents:
            for parent, part in zip(node.parents, node.rule(node.grad), strict=True):
                parent.grad = part if parent.grad is None else parent.grad + part
""",
        "the .grad of x + y is [1. 1.] after the walk, where None is expected",
        19,
    ),
    (
        "backward: the rule of a leaf",
        "        if not node.parents:\n"
        "            node.grad = dy if node.grad is None else node.grad + dy\n"
        "            continue\n",
        "        node.rule(dy)\n",
        "What stands before the parentheses is None.",
        15,
    ),
    (
        "backward: from the leaves",
        "    for node in nodes:\n        dy",
        "    for node in nodes[::-1]:\n        dy",
        "y had its turn",
        15,
    ),
    (
        "backward: from the leaves, with .grad",
        WALK,
        """    nodes[0].grad = np.ones_like(nodes[0].data)
    for node in reversed(nodes):
        if node.parents:
            for parent, part in zip(node.parents, node.rule(node.grad), strict=True):
                parent.grad = part if parent.grad is None else parent.grad + part
""",
        "product had its turn before anything was sent to it",
        16,
    ),
    (
        "backward: begins with L",
        "np.ones_like(nodes[0].data)",
        "nodes[0].data",
        "it is 75, where 5 is right: the walk begins with dL/dL",
        15,
    ),
    ("backward: begins with zero", "np.ones_like(nodes[0].data)", "np.zeros_like(nodes[0].data)", "is 0, expected 5", 15),
    (
        "backward: leaves get nothing",
        "node.grad = dy if node.grad is None else node.grad + dy",
        "pass",
        "backward must leave a gradient in every leaf",
        15,
    ),
    ("backward: the first parent alone", PASS_ON, PASS_ON + "\n            break", "bring 3, 3 and 1, x.grad is 3", 15),
    (
        "unbroadcast: added axes alone",
        "return dy.sum(axis=tuple(axis for axis, n in enumerate(shape) if n == 1), keepdims=True)",
        "return dy",
        "has shape (2, 3), expected (1, 3)",
        16,
    ),
    ("unbroadcast: no keepdims", "if n == 1), keepdims=True)", "if n == 1))", "keepdims=True keeps it", 15),
    (
        "unbroadcast: stretched axes alone",
        "dy = dy.sum(axis=tuple(range(dy.ndim - len(shape))))",
        "shape = (1,) * (dy.ndim - len(shape)) + shape",
        "has shape (1, 3), expected (3,)",
        15,
    ),
    (
        "unbroadcast: dy changed in place",
        "    dy = dy.sum(axis=tuple(range(dy.ndim - len(shape))))",
        "    while dy.ndim > len(shape):\n        dy[0] += dy[1:].sum(axis=0)\n        dy = dy[0]",
        "which must not change it: dy",
        19,
    ),
    (
        "unbroadcast: the mean",
        "dy = dy.sum(axis=tuple(range(dy.ndim - len(shape))))",
        "dy = dy.mean(axis=tuple(range(dy.ndim - len(shape))))",
        "this is the mean over the places",
        15,
    ),
    (
        "unbroadcast: cut off",
        "return dy.sum(axis=tuple(axis for axis, n in enumerate(shape) if n == 1), keepdims=True)",
        "return dy[tuple(slice(n) for n in shape)]",
        "[0, 2] is 3, expected 33",
        16,
    ),
    (
        "unbroadcast: axes whose length is not in the shape",
        SUMS,
        "    dy = dy.sum(axis=tuple(axis for axis, n in enumerate(dy.shape) if n not in shape))\n    return dy.reshape(shape)",
        "cannot reshape array of size 9 into shape (3,1)",
        19,
    ),
    (
        "unbroadcast: minidl's",
        SUMS,
        "    from minidl import functional\n\n    return functional.unbroadcast(dy, shape)",
        "unbroadcast calls minidl's function of the same name",
        15,
    ),
    (
        "unbroadcast: always over the first axis",
        "range(dy.ndim - len(shape))",
        "range(1)",
        "has shape (1,), expected (1, 3)",
        15,
    ),
    (
        "unbroadcast: nothing returned",
        "return dy.sum(axis=tuple(axis",
        "dy.sum(axis=tuple(axis",
        "is None: does the function end with `return`?",
        15,
    ),
    (
        "paths: 0 to begin with",
        "numbers = {nodes[0]: 1}",
        "numbers = {nodes[0]: 0}",
        "the number of paths to y in L = x·y is 0, expected 1",
        16,
    ),
    ("paths: edges", "numbers.get(parent, 0) + numbers[node]", "numbers.get(parent, 0) + 1", "2^60, is 2, expected", 18),
    ("paths: overwritten", "numbers.get(parent, 0) + numbers[node]", "numbers[node]", "in L = x·x is 1, expected 2", 16),
    (
        "paths: each parent once",
        "for parent in node.parents:",
        "for parent in set(node.parents):",
        "in L = x·x is 1, expected 2",
        18,
    ),
    ("paths: those to the last node", "return numbers[leaf]", "return numbers[nodes[-1]]", "to x in L = x·y + x is 1", 18),
    ("paths: a float", "{nodes[0]: 1}", "{nodes[0]: 1.0}", "is a float, where a Python int is expected", 16),
    (
        "paths: counted in floats",
        "return numbers[leaf]",
        "return int(float(numbers[leaf]))",
        "expected 354224848179261915075",
        19,
    ),
    (
        "paths: off by 1,000",
        "return numbers[leaf]",
        "return numbers[leaf] + 1000 * (numbers[leaf] > 10**6)",
        "is 1152921504606847976",
        18,
    ),
    (
        "paths: from the leaf",
        "    for node in nodes:\n        for parent in node.parents:",
        "    for node in nodes[::-1]:\n        for parent in node.parents:",
        "had its turn before",
        16,
    ),
    (
        "paths: the rules",
        COUNT,
        """    backward(nodes)
    return int(leaf.grad)
""",
        "3 is dL/dy at x = 3",
        16,
    ),
    (
        "paths: one by one",
        COUNT,
        """    return sum(paths([parent], leaf) for parent in nodes[0].parents) if nodes[0] is not leaf else 1
""",
        "paths has asked for the parents of nodes 100,000 times",
        18,
    ),
    ("paths: nothing returned", "return numbers[leaf]", "numbers[leaf]", "is None: does the function end with `return`?", 16),
]
