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
    ("order: not reversed", "return finished[::-1]", "return finished", "which was computed from it", 14),
    (
        "order: reversed in place, which returns None",
        "return finished[::-1]",
        "return finished.reverse()",
        "order(b + x) is None",
        14,
    ),
    ("order: the root left out", "return finished[::-1]", "return finished[-2::-1]", "and L is missing", 14),
    ("order: leaves left out", "elif node not in met:", "elif node not in met and node.parents:", "is missing", 14),
    ("order: names for nodes", "return finished[::-1]", "return [n.name for n in finished[::-1]]", "holds a str", 14),
    ("backward: overwritten", PASS_ON, "gradients[parent] = part", "to which three paths bring 3, 3 and 1, is 3", 17),
    (
        "backward: added in place",
        PASS_ON,
        """if parent in gradients:
                gradients[parent] += part
            else:
                gradients[parent] = part""",
        "is += writing into an array that x and y were both sent?",
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
        "do leaves share",
        19,
    ),
    (
        "backward: nodes in between keep theirs",
        """    gradients = {nodes[0]: np.ones_like(nodes[0].data)}
    for node in nodes:
        dy = gradients[node]
        if not node.parents:
            node.grad = dy if node.grad is None else node.grad + dy
            continue
        for parent, part in zip(node.parents, node.rule(dy), strict=True):
            gradients[parent] = gradients[parent] + part if parent in gradients else part""",
        """    nodes[0].grad = np.ones_like(nodes[0].data)
    for node in nodes:
        if node.parents:
            for parent, part in zip(node.parents, node.rule(node.grad), strict=True):
                parent.grad = part if parent.grad is None else parent.grad + part
""",
        "do nodes in between keep",
        19,
    ),
    ("backward: begins with L", "np.ones_like(nodes[0].data)", "nodes[0].data", "x.grad of L = x·y at x = 3, y = 5 is 75", 15),
    ("backward: begins with zero", "np.ones_like(nodes[0].data)", "np.zeros_like(nodes[0].data)", "is 0, expected 5", 15),
    (
        "backward: leaves get nothing",
        "node.grad = dy if node.grad is None else node.grad + dy",
        "pass",
        "backward must leave a gradient in every leaf",
        15,
    ),
    ("backward: the first parent alone", PASS_ON, PASS_ON + "\n            break", "three paths bring 3, 3 and 1, is 3", 15),
    (
        "unbroadcast: added axes alone",
        "return dy.sum(axis=tuple(axis for axis, n in enumerate(shape) if n == 1), keepdims=True)",
        "return dy",
        "has shape (2, 3), expected (1, 3)",
        16,
    ),
    ("unbroadcast: no keepdims", "if n == 1), keepdims=True)", "if n == 1))", "has shape (3,), expected (1, 3)", 15),
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
        "is 16.5, expected 33",
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
    ("paths: nothing returned", "return numbers[leaf]", "numbers[leaf]", "is None: does the function end with `return`?", 16),
]
