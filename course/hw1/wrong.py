"""Wrong answers of assignment 1: what stands in the solution, what was written, words of the report, the score left."""

WRONG = [
    (
        "by hand: 2 forgotten",
        "dy = 2 * (w * h - t)",
        "dy = w * h - t",
        "dL/du where h = tanh(u x + b) = 0.6, x = 2, w = 2, t = 1 (so y = w h = 1.2, dL/dy = 0.4",
        16,
    ),
    ("by hand: the sign of the error", "2 * (w * h - t)", "2 * (t - w * h)", "is -1.024, expected 1.024", 16),
    ("by hand: w forgotten", "dz = dy * w * (1 - h * h)", "dz = dy * (1 - h * h)", "is 0.512, expected 1.024", 16),
    ("by hand: the slope of tanh forgotten", "dz = dy * w * (1 - h * h)", "dz = dy * w", "is 1.6, expected 1.024", 16),
    ("by hand: 1 - z² for 1 - h²", "(1 - h * h)", "(1 - (u * x + b) ** 2)", "dh/dz = 0.64", 16),
    ("by hand: x forgotten", "return dz * x, dz, dy * h", "return dz, dz, dy * h", "dL/du where", 16),
    ("by hand: another order", "return dz * x, dz, dy * h", "return dy * h, dz * x, dz", "dL/du where", 16),
    ("by hand: nothing returned", "return dz * x, dz, dy * h", "dz * x, dz, dy * h", "slopes_by_hand(...) is None", 16),
    (
        "by hand: two of three",
        "return dz * x, dz, dy * h",
        "return dz * x, dz",
        "the three numbers dL/du, dL/db and dL/dw are expected",
        16,
    ),
    (
        "by hand: another signature",
        "def slopes_by_hand(u, b, w, x, t):",
        "def slopes_by_hand(u, b, w):",
        "takes 3 positional arguments but 5 were given",
        16,
    ),
    (
        "values: slopes of the product exchanged",
        "[(self, other.data), (other, self.data)]",
        "[(self, self.data), (other, other.data)]",
        "the slope of a * b for a = 2, b = 5 by a is 2, expected 5",
        16,
    ),
    (
        "values: slopes of a product 1",
        "[(self, other.data), (other, self.data)]",
        "[(self, 1.0), (other, 1.0)]",
        "the slope of a * b for a = 2, b = 5 by a is 1, expected 5",
        15,
    ),
    (
        "values: inputs of the sum forgotten",
        "return Value(self.data + other.data, [(self, 1.0), (other, 1.0)])",
        "return Value(self.data + other.data)",
        "a is not among the inputs of a + b",
        15,
    ),
    (
        "values: a number and no Value",
        "return Value(self.data + other.data, [(self, 1.0), (other, 1.0)])",
        "return self.data + other.data",
        "a + b for a = 2, b = 5 is a float, where a Value is expected",
        15,
    ),
    (
        "values: slopes that are Values",
        "[(self, other.data), (other, self.data)]",
        "[(self, other), (other, self)]",
        "by a is a Value, where a plain number is expected",
        15,
    ),
    (
        "values: inputs without slopes",
        "[(self, 1.0), (other, 1.0)]",
        "[self, other]",
        "where pairs (value, slope) are expected",
        15,
    ),
    (
        "values: inputs changed in place",
        "return Value(self.data + other.data, [(self, 1.0), (other, 1.0)])",
        "self.data += other.data\n        return self",
        "a is not among the inputs of a + b",
        15,
    ),
    (
        "values: plain numbers not taken",
        "        other = as_value(other)\n        return Value(self.data + other.data,",
        "        return Value(self.data + other.data,",
        "has no attribute 'data'",
        18,
    ),
    (
        "values: powers by logarithms",
        "return Value(self.data**n,",
        "return Value(math.exp(n * math.log(self.data)),",
        "math domain error",
        19,
    ),
    (
        "values: the exponent not lowered",
        "n * self.data ** (n - 1)",
        "n * self.data**n",
        "the slope of a ** 3 for a = 2 by a is 24, expected 12",
        16,
    ),
    (
        "values: n in the slope forgotten",
        "n * self.data ** (n - 1)",
        "self.data ** (n - 1)",
        "the slope of a ** 3 for a = 2 by a is 4, expected 12",
        16,
    ),
    (
        "values: the slope of exp is a",
        "[(self, y)]",
        "[(self, self.data)]",
        "the slope of exp of a = ln 3 by a is 1.09861, expected 3",
        17,
    ),
    (
        "values: the slope of tanh by x",
        "1 - y * y",
        "1 - self.data**2",
        "the slope of tanh of a = ln 2 by a is 0.519547, expected 0.64",
        17,
    ),
    (
        "values: nothing returned",
        "return Value(y, [(self, 1 - y * y)])",
        "Value(y, [(self, 1 - y * y)])",
        "tanh of a = ln 2 is a NoneType, where a Value is expected",
        17,
    ),
    (
        "walk: overwritten",
        "source.grad += value.grad * slope",
        "source.grad = value.grad * slope",
        "to which L = x · x + x brings 3, 3 and 1, is",
        16,
    ),
    (
        "walk: slopes added",
        "source.grad += value.grad * slope",
        "source.grad += value.grad + slope",
        "by which L has the slope 5, is 6, expected 5",
        14,
    ),
    (
        "walk: slopes alone",
        "source.grad += value.grad * slope",
        "source.grad += slope",
        "the grad of a in a chain of slopes 4, 3, 2 is 3, expected 12",
        16,
    ),
    ("walk: L gets no 1", "    loss.grad = 1.0\n", "", "the grad of L itself is 0, expected 1", 14),
    ("walk: one step alone", "            waiting.add(source)", "", "the grad of x, to which", 15),
    ("walk: the oldest first", "max(waiting", "min(waiting", "before its grad was complete", 17),
    (
        "walk: recursive, along each path",
        """    loss.grad = 1.0
    waiting = {loss}
    while waiting:
        value = max(waiting, key=lambda value: value.number)
        waiting.remove(value)
        for source, slope in value.inputs:
            source.grad += value.grad * slope
            waiting.add(source)""",
        """    loss.grad = loss.grad or 1.0
    for source, slope in loss.inputs:
        source.grad += loss.grad * slope
        backward(source)
""",
        "it is 22, expected 16: m has passed on 3 before its grad was complete",
        17,
    ),
    (
        "walk: in the order of meeting",
        """    while waiting:
        value = max(waiting, key=lambda value: value.number)
        waiting.remove(value)
        for source, slope in value.inputs:
            source.grad += value.grad * slope
            waiting.add(source)""",
        """    met = [loss]
    for value in met:
        for source, slope in value.inputs:
            source.grad += value.grad * slope
            if source not in met:
                met.append(source)
""",
        "it is 14, expected 20: m has passed on 7 before its grad was complete",
        19,
    ),
    (
        "downhill: uphill",
        "w - lr * dw, b - lr * db",
        "w + lr * dw, b + lr * db",
        "the path (w, b, loss) in L = w² + 2 b² from (1, 1)",
        16,
    ),
    (
        "downhill: no learning rate",
        "w - lr * dw, b - lr * db",
        "w - dw, b - db",
        "the path (w, b, loss) in L = w² + 2 b² from (1, 1)",
        16,
    ),
    (
        "downhill: one after the other",
        "w, b = w - lr * dw, b - lr * db",
        "w = w - lr * dw\n        b = b - lr * slopes(w, b)[2]",
        "both changed at once",
        19,
    ),
    ("downhill: the first place left out", "range(steps + 1)", "range(steps)", "has shape (2, 3), expected (3, 3)", 16),
    ("downhill: losses alone", "path.append((w, b, loss))", "path.append(loss)", "has shape (3,), expected (3, 3)", 16),
    ("downhill: nothing returned", "return path", "path", "is None: does the function end with `return`?", 16),
    (
        "downhill: NaN",
        "path.append((w, b, loss))",
        "path.append((w, b, math.nan))",
        "holds nan, where every number is finite",
        16,
    ),
]
