# %% [markdown]
# # Symmetry: why weights must begin different
#
# If all weights of a layer begin at one value, its units compute the same, get the same gradient, and stay the same: however
# wide the layer is, it does the work of one unit. Random weights break this symmetry. Here we watch it happen.

# %%
import numpy as np

from minidl import data, flow, init, nn, optim
from minidl import functional as F

digits = data.digits()  # 1,797 handwritten digits of 8 x 8 pixels
x, y = digits.x_train[:256], digits.y_train[:256]


def network(weights):
    return nn.Sequential(
        nn.Linear(64, 32, weight_init=weights, rng=0), nn.Tanh(),
        nn.Linear(32, 32, weight_init=weights, rng=1), nn.Tanh(),
        nn.Linear(32, 10, weight_init=weights, rng=2),
    )  # fmt: skip


# %% [markdown]
# ## Three initializations before training
#
# `flow.measure` sends a batch forward and backward through the network and records every layer. "Distinct units" counts the
# units whose weights differ from those of all others.

# %%
for name, weights in {"zeros": 0.0, "constant": 0.02, "Xavier": init.XavierNormal()}.items():
    report = flow.measure(network(weights), x, y)
    print(f"{name:9} distinct units {[record.distinct_units for record in report if record.distinct_units]}", end="   ")
    print("gradients", [f"{record.weight_grad_norm:.1e}" for record in report if record.weight_grad_norm is not None])

# %% [markdown]
# With zeros the first two layers have no gradient at all: on its way back the gradient is multiplied by $W^\top = 0$. The last
# layer has none either but for its biases, for the outputs of a tanh of 0 are 0.
#
# With 0.02 only the last layer has a gradient at first. Its ten units are equal, so what they send back is one number times
# the sum of $p - y$ over the classes, which is 0 (what is printed is rounding). After a step they differ, for each class has
# its own samples, and gradients flow to the hidden layers. But look at them: all rows, one for each unit, are equal.

# %%
model = network(0.02)
optimizer = optim.SGD(model.parameters(), lr=0.05)
F.cross_entropy(model(x), y).backward()
optimizer.step()
optimizer.zero_grad()
F.cross_entropy(model(x), y).backward()
gradient = model[2].weight.grad
print(f"the largest number is {abs(gradient).max():.1e}; rows differ by at most {abs(gradient - gradient[0]).max():.1e}")
assert abs(gradient - gradient[0]).max() < 1e-4 * abs(gradient).max()

# %% [markdown]
# ## Three trainings

# %%
result = flow.compare({"zeros": "zeros", "constant": 0.02, "Xavier": "xavier_normal"}, epochs=10, seeds=1, lr=0.05)
result.plot()

# %%
print(result)

# %% [markdown]
# Zeros stay at chance, one in ten, for the whole training. The constant learns something: what a network with one unit in
# each layer can learn.
#
# ## How little breaks the symmetry
#
# Noise breaks it, but it has to grow, and that takes time. In twenty epochs noise of half the constant's size has done it;
# a hundredth of that has not.

# %%
for noise in (0.0, 1e-4, 1e-2):
    model = network(init.Normal(mean=0.02, std=noise) if noise else 0.02)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(20):
        for a, b in data.DataLoader((digits.x_train, digits.y_train), batch_size=64, shuffle=True, rng=epoch):
            optimizer.zero_grad()
            F.cross_entropy(model(a), b).backward()
            optimizer.step()
    correct = np.mean(model(digits.x_test).data.argmax(1) == digits.y_test)
    print(f"noise {noise:6}: accuracy {correct:.2f}")

# %% [markdown]
# ## What the verdict is
#
# `flow.diagnose` says before training what will go wrong, and which line fixes it.

# %%
flow.diagnose(network(0.02), x, y)

# %% [markdown]
# ## Exercises
#
# 1. Initialize only the first layer at zero and the others by Xavier. Does the first layer's gradient vanish? Its units: do
#    they stay equal?
# 2. Biases begin at zero everywhere here. Why is that no problem?
# 3. Give all units of a layer the same random row, so that weights differ within a unit, but not between units. What does
#    `diagnose` say?
# 4. Train the constant network with dropout after the first tanh (`nn.Dropout(0.2)`). Does it break the symmetry? Why?
