"""Wrong answers of assignment 1: what stands in the solution, what was written, words of the report, the score left."""

WRONG = [
    (
        "by hand: 2 forgotten",
        "dy = 2 * (w * h - t)",
        "dy = w * h - t",
        "dL/du where h = tanh(u x + b) = 0.6, x = 3, w = 2, t = 1 (so y = w h = 1.2, dL/dy = 0.4",
        16,
    ),
    ("by hand: the sign of the error", "2 * (w * h - t)", "2 * (t - w * h)", "is -1.536, expected 1.536", 16),
    ("by hand: w forgotten", "dz = dy * w * (1 - h * h)", "dz = dy * (1 - h * h)", "is 0.768, expected 1.536", 16),
    ("by hand: the slope of tanh forgotten", "dz = dy * w * (1 - h * h)", "dz = dy * w", "is 2.4, expected 1.536", 16),
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
        "w after 1 step in L = w² + 2 b² from (1, 1) with lr = 0.1: it is 1.2, expected 0.8: a step goes uphill",
        16,
    ),
    (
        "downhill: no learning rate",
        "w - lr * dw, b - lr * db",
        "w - dw, b - db",
        "it is -1, expected 0.8: the derivative is to be multiplied by lr",
        16,
    ),
    (
        "downhill: one after the other",
        "w, b = w - lr * dw, b - lr * db",
        "w = w - lr * dw\n        b = b - lr * slopes(w, b)[2]",
        "the slope by b was taken at the new w. Both change at once",
        19,
    ),
    ("downhill: the first place left out", "range(steps + 1)", "range(steps)", "has 2 places, expected 3", 16),
    (
        "downhill: losses alone",
        "path.append((w, b, loss))",
        "path.append(loss)",
        "is 3.0, where a triple (w, b, loss) is expected",
        16,
    ),
    ("downhill: nothing returned", "return path", "path", "is None: does the function end with `return`?", 16),
    (
        "downhill: NaN",
        "path.append((w, b, loss))",
        "path.append((w, b, math.nan))",
        "holds nan, where every number is finite",
        16,
    ),
    ("by hand: b forgotten", "math.tanh(u * x + b)", "math.tanh(u * x)", "dL/du where", 16),
    (
        "by hand: x and w exchanged",
        "dz = dy * w * (1 - h * h)\n    return dz * x, dz, dy * h",
        "dz = dy * x * (1 - h * h)\n    return dz * w, dz, dy * h",
        "dL/db where",
        16,
    ),
    (
        "by hand: a dict",
        "return dz * x, dz, dy * h",
        'return {"u": dz * x, "b": dz, "w": dy * h}',
        "the three numbers dL/du, dL/db and dL/dw are expected",
        16,
    ),
    (
        "by hand: by the engine",
        "    h = math.tanh(u * x + b)\n",
        "    u, b, w = Value(u), Value(b), Value(w)\n"
        "    backward(((u * x + b).tanh() * w - t) ** 2)\n"
        "    return u.grad, b.grad, w.grad\n",
        "slopes_by_hand uses Value of the questions below: find the three formulas with a pencil",
        16,
    ),
    (
        "by hand: difference quotients",
        """    h = math.tanh(u * x + b)
""",
        """    def loss(u, b, w):
        return (w * math.tanh(u * x + b) - t) ** 2

    e = 1e-5
    du = (loss(u + e, b, w) - loss(u - e, b, w)) / (2 * e)
    db = (loss(u, b + e, w) - loss(u, b - e, w)) / (2 * e)
    return du, db, (loss(u, b, w + e) - loss(u, b, w - e)) / (2 * e)
""",
        "right to some digits only, as difference quotients are: write down the formulas",
        18,
    ),
    (
        "values: tanh of values in between",
        "y = math.tanh(self.data)\n        return Value(y, [(self, 1 - y * y)])",
        "e = (self * 2).exp()\n        return (e - 1) / (e + 1)",
        "a is not among the inputs of tanh of a = ln 2: a pair such as (a, slope) is expected, with a itself",
        18,
    ),
    (
        "values: tanh takes the place of its input",
        "y = math.tanh(self.data)",
        "y = self.data = math.tanh(self.data)",
        "the data of two inputs, ln 3 and ln 2, after exp and tanh[1] is 0.6, expected 0.693147",
        19,
    ),
    (
        "values: a power by the logarithm",
        "Value(self.data**n, [",
        "Value(math.exp(n * math.log(self.data)), [",
        "ValueError: ",
        19,
    ),
    ("values: the power of the size", "Value(self.data**n,", "Value(abs(self.data) ** n,", "a ** 3 for a = -", 19),
    ("values: tanh without its sign", "y = math.tanh(self.data)", "y = abs(math.tanh(self.data))", "tanh of a for a = -", 19),
    (
        "values: ints alone are made Values",
        "        other = as_value(other)\n        return Value(self.data + other.data,",
        "        other = Value(other) if isinstance(other, int) else other\n        return Value(self.data + other.data,",
        "'float' object has no attribute 'data'",
        19,
    ),
    (
        "walk: along each path by itself",
        """    loss.grad = 1.0
    waiting = {loss}
    while waiting:
        value = max(waiting, key=lambda value: value.number)
        waiting.remove(value)
        for source, slope in value.inputs:
            source.grad += value.grad * slope
            waiting.add(source)""",
        """    def walk(value, grad):
        value.grad += grad
        for source, slope in value.inputs:
            walk(source, grad * slope)

    walk(loss, 1.0)
""",
        "each path is walked by itself, and there are 2^20",
        19,
    ),
    (
        "walk: a list of the waiting, with duplicates",
        """    waiting = {loss}
    while waiting:
        value = max(waiting, key=lambda value: value.number)
        waiting.remove(value)
        for source, slope in value.inputs:
            source.grad += value.grad * slope
            waiting.add(source)""",
        """    waiting = [loss]
    while waiting:
        value = max(waiting, key=lambda value: value.number)
        waiting.remove(value)
        for source, slope in value.inputs:
            source.grad += value.grad * slope
            waiting.append(source)""",
        "it is 32, expected 16: m has passed on its whole grad twice: put a value among the waiting only once",
        17,
    ),
    (
        "downhill: ends where the loss rises",
        "        path.append((w, b, loss))",
        "        if path and loss >= path[-1][2]:\n            break\n        path.append((w, b, loss))",
        "where the loss rises has 1 place, expected 3",
        19,
    ),
    (
        "downhill: slopes are clipped",
        "        path.append((w, b, loss))",
        "        dw, db = max(-5, min(5, dw)), max(-5, min(5, db))\n        path.append((w, b, loss))",
        "where the loss rises is -0.5, expected -2",
        19,
    ),
    (
        "downhill: the least loss so far",
        "        path.append((w, b, loss))",
        "        loss = min([loss, *(place[2] for place in path)])\n        path.append((w, b, loss))",
        "where the loss rises is 6, expected 20.16",
        19,
    ),
]
