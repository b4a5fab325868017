# %% [markdown]
# # One training step
#
# A network with two inputs, three tanh units and one output takes one step of training. We do it twice: with minidl, which
# finds the gradients itself, and by hand, with five lines of NumPy. Then we look at what the step has changed.
#
# You need `pip install -e ".[examples]" notebook` in a clone of minidl, and ten minutes.

# %%
import numpy as np

import minidl
from minidl import functional as F
from minidl import nn, optim

rng = minidl.random.Generator(0)
model = nn.Sequential(nn.Linear(2, 3, rng=rng), nn.Tanh(), nn.Linear(3, 1, rng=rng))
x = np.array([[1.0, 0.5], [-1.0, 2.0], [0.0, -1.0], [2.0, 1.0]], dtype=np.float32)  # four points,
t = np.array([[1.0], [0.0], [-1.0], [0.5]], dtype=np.float32)  # and what the network should say of them
model

# %% [markdown]
# ## Forward
#
# $z = x W_1^\top + b_1,\quad h = \tanh z,\quad y = h W_2^\top + b_2,\quad L = \frac14 \sum (y - t)^2$

# %%
y = model(x)
loss = F.mse_loss(y, t)
print("y =", y.data.ravel().round(4))
print("L =", round(loss.item(), 4))

# %% [markdown]
# ## Backward
#
# `loss.backward()` walks back from the loss and leaves $\partial L / \partial p$ in `p.grad` for every parameter `p`.

# %%
loss.backward()
W1, b1, W2, b2 = model.parameters()
print("dL/dW2 =", W2.grad.round(4))
print("dL/dW1 =", W1.grad.round(4), sep="\n")

# %% [markdown]
# The same by hand. Each line is the chain rule for one operation: the gradient for what comes out becomes the gradient for
# what goes in.

# %%
h = np.tanh(x @ W1.data.T + b1.data)
dy = 2 * (h @ W2.data.T + b2.data - t) / len(x)  # L = mean (y - t)^2
dW2, db2, dh = dy.T @ h, dy.sum(axis=0), dy @ W2.data  # y = h W2^T + b2
dz = dh * (1 - h**2)  # h = tanh z
dW1, db1 = dz.T @ x, dz.sum(axis=0)  # z = x W1^T + b1

for name, mine, parameter in [("W1", dW1, W1), ("b1", db1, b1), ("W2", dW2, W2), ("b2", db2, b2)]:
    print(name, "agrees to", f"{abs(mine - parameter.grad).max():.0e}")
    assert np.allclose(mine, parameter.grad, rtol=1e-5, atol=1e-6)

# %% [markdown]
# A derivative can also be measured: move one weight a little and see what the loss does. `minidl.gradcheck` does that for
# every element. Here it is for one.

# %%
step = 1e-3
before = W1.data[0, 1]
losses = []
for moved in (before + step, before - step):
    W1.data[0, 1] = moved
    losses.append(F.mse_loss(model(x), t).item())
W1.data[0, 1] = before
print("measured", round((losses[0] - losses[1]) / (2 * step), 3), "  computed", round(float(W1.grad[0, 1]), 3))

# %% [markdown]
# ## Update
#
# Gradient descent moves every parameter against its gradient: $p \leftarrow p - \eta\, \partial L / \partial p$.

# %%
optimizer = optim.SGD(model.parameters(), lr=0.1)
optimizer.step()
print("L was", round(loss.item(), 4), "and is", round(F.mse_loss(model(x), t).item(), 4))

# %% [markdown]
# A hundred more of these steps:

# %%
history = []
for _ in range(100):
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), t)
    loss.backward()
    optimizer.step()
    history.append(loss.item())
print("L is", round(history[-1], 4))
assert history[-1] < 0.5 * history[0]

# %% [markdown]
# ## Exercises
#
# 1. Set `lr` to 2 and run the last two cells again. What does the loss do, and why?
# 2. Leave out `optimizer.zero_grad()`. What happens to the gradients, and what to the loss?
# 3. Replace `nn.Tanh()` by `nn.ReLU()`. Which two lines of the NumPy version have to change, and to what?
# 4. Make all weights zero: `nn.Linear(2, 3, weight_init=0.0)`, and so for the other layer. Which gradients are exactly 0? The
#    next notebook is about that.
