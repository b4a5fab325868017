"""Wrong answers of assignment 7: what stands in the solution, what a student wrote, words of the report, the score left."""

VELOCITY = "                v[...] = self.momentum * v + p.grad\n"
MOVE = "                p.data -= self.lr * v\n"
ALIAS = """                if v.any():
                    v *= self.momentum
                    v += p.grad
                else:
                    v = self.velocities[[q is p for q in self.params].index(True)] = p.grad
"""
MEAN = "m[...] = beta1 * m + (1 - beta1) * p.grad"
SQUARE = "v[...] = beta2 * v + (1 - beta2) * p.grad**2"
ADAM = "p.data -= self.lr * m / (1 - beta1**self.t) / (root + self.eps)"
ROOT = "root = np.sqrt(v / (1 - beta2**self.t))\n"
QUOTIENT = "hu = (gradient(w + eps * u) - gradient(w - eps * u)) / (2 * eps)"

WRONG = [
    ("momentum: forgotten", VELOCITY, "                v[...] = p.grad\n", "these are steps without momentum", 17),
    (
        "momentum: 1 - momentum",
        VELOCITY,
        VELOCITY.replace("+ p", "+ (1 - self.momentum) * p"),
        "the gradient is multiplied by 1 - momentum",
        17,
    ),
    ("momentum: uphill", MOVE, "                p.data += self.lr * v\n", "the steps go uphill", 17),
    ("momentum: the rate twice", VELOCITY, VELOCITY.replace("+ p", "+ self.lr * p"), "the learning rate is in v already", 17),
    (
        "momentum: one velocity for all",
        VELOCITY,
        "                v = self.velocities[0] = self.momentum * self.velocities[0] + p.grad\n",
        "a parameter moves differently when there is another one",
        18,
    ),
    ("momentum: kept as an alias of .grad", VELOCITY, ALIAS, "step changes p.grad", 18),
    (
        "momentum: changed behind minidl's back",
        MOVE,
        "                p.data[...] = p.data - self.lr * v\n",
        "minidl does not notice",
        18,
    ),
    (
        "momentum: no gradient taken for 0",
        "            if p.grad is not None:\n                v[...] = self.m",
        "            if True:\n                v[...] = self.m",
        "where a parameter's .grad is None, leave it alone",
        18,
    ),
    (
        "momentum: Nesterov's",
        MOVE,
        "                p.data -= self.lr * (p.grad + self.momentum * v)\n",
        "this is Nesterov's momentum",
        17,
    ),
    ("momentum: does nothing", MOVE, "                pass\n", "w after each of three steps", 15),
    (
        "Adam: bias not corrected",
        ADAM,
        "p.data -= self.lr * m / (np.sqrt(v) + self.eps)",
        "the averages are too small at first",
        16,
    ),
    ("Adam: only v corrected", ADAM, "p.data -= self.lr * m / (root + self.eps)", "m is too small at first, too", 16),
    ("Adam: no root", ADAM, "p.data -= self.lr * m / (1 - beta1**self.t) / (root**2 + self.eps)", "where its root belongs", 16),
    ("Adam: uphill", ADAM, ADAM.replace("-= self.lr", "+= self.lr"), "the step goes uphill", 16),
    (
        "Adam: betas swapped",
        "beta1, beta2 = self.betas",
        "beta2, beta1 = self.betas",
        "beta1 is for the average of the gradients",
        19,
    ),
    (
        "Adam: eps under the root",
        ROOT + "                " + ADAM,
        ROOT.replace("**self.t)", "**self.t) + self.eps") + "                " + ADAM.replace("(root + self.eps)", "root"),
        "eps is added to the root",
        19,
    ),
    ("Adam: eps forgotten", "(root + self.eps)", "root", "where is eps?", 19),
    ("Adam: t stays 1", "self.t += 1", "self.t = 1", "w after five steps of Adam", 19),
    (
        "Adam: t counts parameters",
        SQUARE,
        SQUARE + "\n                self.t += 1",
        "a parameter moves differently when there is another one",
        15,
    ),
    ("Adam: the square of the mean", SQUARE, "v[...] = beta2 * v + (1 - beta2) * m**2", "it moves by 10 lr", 16),
    (
        "Adam: one mean for all",
        MEAN,
        "m = self.means[0] = beta1 * self.means[0] + (1 - beta1) * p.grad",
        "a parameter moves differently when there is another one",
        19,
    ),
    ("Adam: the mean of m and g, without 1 - beta", MEAN, "m[...] = beta1 * m + p.grad", "it moves by 10 lr", 16),
    ("Adam: no memory", MEAN, "m[...] = (1 - beta1) * p.grad", "w after five steps of Adam", 19),
    (
        "Adam: .grad changed",
        MEAN,
        "p.grad *= 1 - beta1\n                m[...] = beta1 * m + p.grad",
        "step changes p.grad",
        15,
    ),
    (
        "rate: half",
        "return 2 * (1 + momentum) / curvature",
        "return (1 + momentum) / curvature",
        "largest_rate(4) is 0.25, expected 0.5",
        18,
    ),
    ("rate: momentum not used", "return 2 * (1 + momentum) / curvature", "return 2 / curvature", "momentum is not used", 19),
    (
        "rate: 1 - momentum",
        "return 2 * (1 + momentum) / curvature",
        "return 2 * (1 - momentum) / curvature",
        "momentum makes it larger",
        19,
    ),
    (
        "rate: over 1 - momentum",
        "return 2 * (1 + momentum) / curvature",
        "return 2 / (1 - momentum) / curvature",
        "is how much longer the steps become",
        19,
    ),
    ("rate: None", "return 2 * (1 + momentum) / curvature", "return None", "is None: does the function end with", 18),
    ("curvature: at the start", "np.sqrt((a**2 - b**2) ** 2 + 4)", "a**2 + b**2", "this is a² + b² at the start", 19),
    ("curvature: no root", "np.sqrt((a**2 - b**2) ** 2 + 4)", "(a**2 - b**2) ** 2 + 4", "curvature(1, 1) is 4, expected 2", 18),
    (
        "curvature: 2 for 4",
        "np.sqrt((a**2 - b**2) ** 2 + 4)",
        "np.sqrt((a**2 - b**2) ** 2 + 2)",
        "curvature(1, 1) is 1.41421, expected 2",
        18,
    ),
    ("sharpness: twice", QUOTIENT, QUOTIENT.replace("(2 * eps)", "eps"), "w + ε u and w - ε u are 2 ε apart", 16),
    ("sharpness: the length", "return float(u @ hu)", "return float(np.linalg.norm(hu))", "the sign is lost", 19),
    (
        "sharpness: a start of ones",
        "hu = rng.normal(w.shape, dtype=np.float64)",
        "hu = np.ones(w.shape)",
        "begin with a random direction from rng",
        19,
    ),
    ("sharpness: u not of length 1", "u = hu / np.linalg.norm(hu)", "u = hu", "bring u back to length 1", 16),
    (
        "sharpness: one step",
        "for _ in range(steps):\n        u = hu",
        "for _ in range(1):\n        u = hu",
        "with the eigenvalues 2 and 4 is 2.30298, expected 4",
        16,
    ),
    (
        "sharpness: w changed",
        QUOTIENT,
        "w += eps * u\n        hu = gradient(w)\n        w -= 2 * eps * u\n        hu = (hu - gradient(w)) / (2 * eps)",
        "sharpness changes the weights",
        17,
    ),
    (
        "sharpness: the gradient for H u",
        QUOTIENT,
        "hu = gradient(w)",
        "with the eigenvalues 2 and 4 is 2.54951, expected 4",
        16,
    ),
    ("sharpness: nothing returned", "return float(u @ hu)", "float(u @ hu)", "is None: does the function end with", 16),
    (
        "train: gradients pile up",
        "        optimizer.zero_grad()\n        loss = F.c",
        "        loss = F.c",
        "gradients pile up",
        19,
    ),
    (
        "train: the loss before the last step",
        "    last = F.cross_entropy(model(x), y).item()\n",
        "    last = loss.item()\n",
        "this is the loss before the last step",
        18,
    ),
    ("train: NaN", "return last if np.isfinite(last) else np.inf", "return last", "train returned nan", 19),
    (
        "train: NaN returned",
        "loss.item()):\n            return np.inf",
        "loss.item()):\n            return loss.item()",
        "train returned nan",
        19,
    ),
    ("train: no step", "        optimizer.step()\n    last", "    last", "this is the loss before the last step", 18),
    (
        "train: nothing returned",
        "    return last if np.isfinite(last) else np.inf",
        "    last if np.isfinite(last) else np.inf",
        "is None: does the function end with",
        18,
    ),
]
