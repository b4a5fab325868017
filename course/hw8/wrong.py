"""Wrong answers of assignment 8: what stands in the solution, what a student wrote, words of the report, the score left."""

RANDOM = '    random = {"weight_init": init.VarianceScaling(sigma_w**2), "bias_init": init.Normal(std=sigma_b)}\n'
BUILT = "return nn.Sequential(*layers, nn.Linear(width, 10, **random)).initialize(rng=rng)"
BODY = (
    RANDOM
    + """    layers = []
    for i in range(depth):
        layers += [nn.Linear(width if i else 64, width, **random), activation()]
    """
    + BUILT
)
TWINS = BODY.replace("std=sigma_b)}", 'std=sigma_b), "rng": rng}').replace(".initialize(rng=rng)", "")
PROFILE = "return [chi ** ((depth - 1 - i) / 2) for i in range(depth)]"
SIZES = "sizes = np.array([np.hypot(record.grad_mean, record.grad_std) for record in records])"

WRONG = [
    (
        "deep: no output layer",
        BUILT,
        "return nn.Sequential(*layers).initialize(rng=rng)",
        "Linear, Tanh, Linear, Tanh, Linear, Tanh",
        19,
    ),
    (
        "deep: an activation at the end",
        BUILT,
        "return nn.Sequential(*layers, nn.Linear(width, 10, **random), activation()).initialize(rng=rng)",
        "Linear, Tanh, Linear, Tanh, Linear, Tanh, Linear, Tanh",
        19,
    ),
    (
        "deep: always tanh",
        "**random), activation()]",
        "**random), nn.Tanh()]",
        "the activation of deep(10, 100, nn.ReLU, ...) is Tanh",
        18,
    ),
    ("deep: one seed for each layer", BODY, TWINS, "two layers have the same weights", 18),
    (
        "deep: a list",
        BUILT,
        "return [*layers, nn.Linear(width, 10, **random)]",
        "deep returned a list, expected an nn.Sequential",
        17,
    ),
    (
        "deep: too few layers",
        "for i in range(depth):\n        layers",
        "for i in range(depth - 1):\n        layers",
        "Linear, Tanh, Linear, Tanh, Linear",
        19,
    ),
    (
        "deep: the input's width",
        "nn.Linear(width if i else 64, width, **random)",
        "nn.Linear(width, width, **random)",
        "expected [(100, 64), (100, 100)",
        17,
    ),
    (
        "deep: sigma_w as the variance",
        "init.VarianceScaling(sigma_w**2)",
        "init.VarianceScaling(sigma_w)",
        "have the standard deviation 1.22, expected 1.5",
        18,
    ),
    (
        "deep: He's weights",
        "init.VarianceScaling(sigma_w**2)",
        "init.HeNormal()",
        "have the standard deviation 1.41, expected 1.5",
        18,
    ),
    (
        "deep: fan_avg",
        "init.VarianceScaling(sigma_w**2)",
        'init.VarianceScaling(sigma_w**2, "fan_avg")',
        "have the standard deviation 1.32, expected 1.5",
        18,
    ),
    (
        "deep: sigma_b squared",
        "init.Normal(std=sigma_b)",
        "init.Normal(std=sigma_b**2)",
        "the biases have the standard deviation 0.166, expected 0.4",
        18,
    ),
    (
        "deep: no biases",
        RANDOM,
        RANDOM.replace("init.Normal(std=sigma_b)", "0.0"),
        "the biases have the standard deviation 0, expected 0.4",
        18,
    ),
    (
        "deep: the global generator",
        BUILT,
        BUILT.replace(".initialize(rng=rng)", ".initialize()"),
        "deep gives the same network for another seed",
        18,
    ),
    (
        "deep: always seed 0",
        BUILT,
        BUILT.replace(".initialize(rng=rng)", ".initialize(rng=0)"),
        "deep gives the same network for another seed",
        18,
    ),
    (
        "predict: the variance for sigma_w",
        "theory.backward_factor(f, q, sigma_w)",
        "theory.backward_factor(f, q, sigma_w**2)",
        "is 0.6561, expected 0.81",
        17,
    ),
    (
        "predict: chi at q = 1",
        "theory.backward_factor(f, q, sigma_w)",
        "theory.backward_factor(f, 1.0, sigma_w)",
        "chi is taken at q = 1",
        17,
    ),
    (
        "predict: all of the variance",
        "q = theory.fixed_point(f, sigma_w, sigma_b)",
        "sigma_w = sigma_w**2\n    q = theory.fixed_point(f, sigma_w, sigma_b)",
        "theory takes sigma_w, not its square",
        17,
    ),
    (
        "predict: biases forgotten",
        "theory.fixed_point(f, sigma_w, sigma_b)",
        "theory.fixed_point(f, sigma_w)",
        "[1] is 1, expected 0.",
        18,
    ),
    (
        "predict: xi by hand",
        "return q, chi, theory.depth_scale(f, sigma_w, sigma_b), phase",
        "return q, chi, (-1 / np.log(chi) if phase != 'critical' else np.inf), phase",
        "in chaos -1 / ln chi is negative",
        18,
    ),
    (
        "predict: phases swapped",
        '"order" if chi < 0.999 else "chaos" if chi > 1.001',
        '"chaos" if chi < 0.999 else "order" if chi > 1.001',
        "is 'chaos', expected 'order'",
        17,
    ),
    (
        "predict: no critical",
        '"order" if chi < 0.999 else "chaos" if chi > 1.001 else "critical"',
        '"order" if chi < 1 else "chaos"',
        "is 'order', expected 'critical'",
        19,
    ),
    (
        "predict: three numbers",
        "return q, chi, theory.depth_scale(f, sigma_w, sigma_b), phase",
        "return q, chi, phase",
        "predict returned 3 things",
        17,
    ),
    (
        "predict: None",
        "return q, chi, theory.depth_scale(f, sigma_w, sigma_b), phase",
        "return None",
        "predict returned None, expected the four",
        17,
    ),
    (
        "predicted: mean squares",
        PROFILE,
        "return [chi ** (depth - 1 - i) for i in range(depth)]",
        "these are mean squares; the root is asked for",
        18,
    ),
    (
        "predicted: from the last",
        PROFILE,
        "return [chi ** (i / 2) for i in range(depth)]",
        "from the first layer to the last",
        18,
    ),
    (
        "predicted: one too many",
        PROFILE,
        "return [chi ** ((depth - i) / 2) for i in range(depth)]",
        "the last hidden layer itself has 1",
        18,
    ),
    (
        "predicted: forward",
        PROFILE,
        "return [chi ** ((i + 1 - depth) / 2) for i in range(depth)]",
        "predicted_gradients(4, 4)[0] is 0.125, expected 8",
        18,
    ),
    (
        "measured: the output layer, too",
        'if record.kind == "Linear"][:-1]',
        'if record.kind == "Linear"]',
        "the last Linear layer is not a hidden one",
        16,
    ),
    (
        "measured: the activations",
        'if record.kind == "Linear"][:-1]',
        'if record.kind != "Linear"]',
        "these are the gradients behind the activations",
        18,
    ),
    (
        "measured: the standard deviation",
        SIZES,
        "sizes = np.array([record.grad_std for record in records])",
        "grad_std is taken about the mean",
        18,
    ),
    ("measured: mean squares", SIZES, SIZES + "**2", "these are mean squares", 16),
    ("measured: not relative", "return list(sizes / sizes[-1])", "return list(sizes)", "of layers that double it[0] is", 16),
    (
        "measured: relative to the first",
        "return list(sizes / sizes[-1])",
        "return list(sizes / sizes[0])",
        "of layers that double it[0] is 1, expected 8",
        16,
    ),
    (
        "measured: relative to the output",
        SIZES,
        "sizes = np.array([record.grad_ratio for record in records])\n    return list(sizes)",
        "of layers that double it[0] is 10.4307, expected 8",
        16,
    ),
    ("measured: without a loss", "flow.measure(model, x, y)", "flow.measure(model, x)", "NoneType", 16),
    (
        "measured: nothing returned",
        "return list(sizes / sizes[-1])",
        "list(sizes / sizes[-1])",
        "is None: does the function end with",
        16,
    ),
    (
        "measured: NaN",
        "return list(sizes / sizes[-1])",
        "return list(sizes * np.nan)",
        "holds nan, where every number is finite",
        16,
    ),
]
