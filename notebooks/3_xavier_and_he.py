# %% [markdown]
# # Xavier and He: derived, then measured
#
# How large should random weights be? We derive the answer in a few lines, and hold it to networks of 20 layers.

# %%
import math

import numpy as np

from minidl import data, flow, init, nn, theory
from minidl import functional as F

digits = data.digits()
x, y = digits.x_train[:256], digits.y_train[:256]


def network(weights, activation, depth=20, width=128):
    layers = []
    for i in range(depth):
        layers += [nn.Linear(64 if i == 0 else width, width, weight_init=weights, rng=i), activation()]
    return nn.Sequential(*layers, nn.Linear(width, 10, weight_init=weights, rng=depth))


# %% [markdown]
# ## Forward
#
# A unit is a sum, $z = \sum_{i=1}^{n} w_i h_i$. The weights are independent, with mean 0 and variance $v$, and independent
# of $h$. So $E[z] = 0$ and
#
# $$\operatorname{var} z = \sum_i E[w_i^2]\, E[h_i^2] = n\, v\, E[h^2].$$
#
# If the activation is nearly linear, as tanh is around 0, then $E[h^2] \approx \operatorname{var} z$ of the layer before. The
# signal keeps its size if $n v = 1$: **LeCun's** $v = 1 / n_\text{in}$.
#
# ## Backward
#
# The gradient goes back through the transposed matrix, $dh_i = \sum_{j=1}^{m} w_{ji}\, dz_j$: a sum over the $m$ units of the
# next layer. The same argument asks for $v = 1 / n_\text{out}$. **Xavier's** compromise is the variance between the two,
#
# $$v = \frac{2}{n_\text{in} + n_\text{out}}.$$
#
# ## Measured

# %%
initializers = {"std 0.01": init.Normal(std=0.01), "Xavier": init.XavierNormal(), "std 0.3": init.Normal(std=0.3)}
for name, weights in initializers.items():
    report = flow.measure(network(weights, nn.Tanh), x, y)
    outputs = [record.out_std for record in report if record.kind == "Tanh"]
    gradients = [record.grad_ratio for record in report if record.kind == "Tanh"]
    print(f"{name:9} outputs {outputs[0]:.2g} -> {outputs[-1]:.2g}   gradient, first layer by last: {gradients[0]:.2g}")

# %%
flow.measure(network(init.XavierNormal(), nn.Tanh), x, y).plot()

# %% [markdown]
# ## ReLU throws away a half
#
# For $h = \max(z, 0)$ and a $z$ that is symmetric around 0, $E[h^2] = \frac12 \operatorname{var} z$. So each layer of a Xavier
# network halves the second moment, and **He's** $v = 2 / n_\text{in}$ makes up for it.

# %%
z = np.random.default_rng(0).normal(size=1_000_000)
print("E[max(z, 0)^2] =", round(np.mean(np.maximum(z, 0) ** 2), 3))
print("by minidl.theory:", theory.variance_map(F.relu, q=1.0, sigma_w=1.0))
assert math.isclose(theory.variance_map(F.relu, q=1.0, sigma_w=1.0), 0.5, rel_tol=1e-9)

# %%
for name in ("xavier_normal", "he_normal"):
    report = flow.measure(network(name, nn.ReLU), x, y)
    first, *_, last = [record for record in report if record.kind == "Linear"][:-1]
    print(f"{name:14} the sums' standard deviation {first.out_std:.3f} -> {last.out_std:.2g}, theory {last.predicted_std:.2g}")

# %% [markdown]
# The factor over the 19 steps between them should be $\sqrt{1/2}^{\,19} = 0.0014$ for Xavier.
#
# ## Does it matter for learning?

# %%
layers = [module for i in range(19) for module in (nn.Linear(64, 64), nn.ReLU())]
deep = nn.Sequential(*layers, nn.Linear(64, 10))
contestants = {"Xavier": "xavier_normal", "He": "he_normal", "std 0.01": init.Normal(std=0.01)}
result = flow.compare(contestants, epochs=8, seeds=2, model=deep, lr=0.02)
result.plot()

# %%
print(result)

# %% [markdown]
# ## Exercises
#
# 1. Which variance keeps the signal for leaky ReLU with slope 0.2 on the left? Derive it, then compare with
#    `1 / theory.variance_map(nn.LeakyReLU(0.2), 1.0, 1.0)`.
# 2. A layer has 100 inputs and 10,000 units, the next one 10,000 inputs and 100 units. What does Xavier do to the signal in the
#    first, and in the second? And He?
# 3. Why is the standard deviation of tanh's outputs in the picture not constant, but slowly falling, although the weights are
#    Xavier's? (`theory.fixed_point(F.tanh, sigma_w=1.0)` is a hint.)
# 4. Put `nn.BatchNorm1d(128)` after each Linear, and measure std 0.01 again.
