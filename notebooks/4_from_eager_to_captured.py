# %% [markdown]
# # From eager to captured: a training step as a program
#
# A training step calls some dozens of functions. `minidl.capture` writes down what they do, in order, with shapes and times:
# forward, backward and update become a program that one can read. Then it runs that program in one call, with the same bits.

# %%
import time

import numpy as np

import minidl
from minidl import data, nn, optim

digits = data.digits()


def training(seed=0):
    """A model, and a function that takes one step."""
    rng = minidl.random.Generator(seed)
    model = nn.Sequential(
        nn.Linear(64, 64, rng=rng), nn.Tanh(), nn.Linear(64, 64, rng=rng), nn.Tanh(), nn.Linear(64, 10, rng=rng)
    )
    criterion, optimizer = nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    def step(x, y):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step


# %% [markdown]
# ## The listing
#
# Read it from top to bottom. Forward comes first; then each line of the second part undoes one of the first, in the opposite
# order; the update is last. There is no line for the gradient of `x`: nobody needs it.

# %%
model, step = training()
captured = minidl.capture(step)
x, y = digits.x_train[:32], digits.y_train[:32]
for _ in range(4):
    captured(x, y)
print(captured)

# %% [markdown]
# ## The same bits
#
# Two trainings from one seed, one eager and one captured, end with the same weights: not nearly, exactly.

# %%
(eager_model, eager), (captured_model, plain) = training(1), training(1)
replayed = minidl.capture(plain)
for i in range(0, 1280, 32):
    a, b = digits.x_train[i : i + 32], digits.y_train[i : i + 32]
    eager(a, b)
    replayed(a, b)
same = [np.array_equal(p.data, q.data) for p, q in zip(eager_model.parameters(), captured_model.parameters(), strict=True)]
print("equal, parameter by parameter:", same)
assert all(same)

# %% [markdown]
# ## How long it takes
#
# What is saved is Python: the calls, the bookkeeping of the graph. In a small network that is most of the time.


# %%
def microseconds(function, repeats=300):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(x, y)
        times.append(time.perf_counter() - start)
    return 1e6 * float(np.median(times))


print(f"eager {microseconds(eager):.0f} us a step, captured {microseconds(replayed):.0f} us")

# %% [markdown]
# ## What cannot be captured is not
#
# A step whose Python looks at a value cannot be a fixed list of calls. minidl notices, stays eager, and says which line it was.

# %%
model, plain = training()


def curious(x, y):
    loss = plain(x, y)
    if loss.item() < 0.1:
        print("low")
    return loss


watched = minidl.capture(curious)
for _ in range(4):
    watched(x, y)
print(watched.why)

# %% [markdown]
# ## An epoch in one call

# %%
losses = replayed.run(digits.x_train, digits.y_train, batch_size=32, rng=0)
print(f"{len(losses)} steps; the last loss is {float(losses[-1]):.3f}")

# %% [markdown]
# ## Exercises
#
# 1. In the listing, which forward value does the backward line of the second tanh read again? Why is its input not needed?
# 2. Replace tanh by ReLU and compare the two listings. Which lines differ?
# 3. Add a `nn.BatchNorm1d(64)`. Which lines change memory that was there before the step?
# 4. Change the learning rate between two calls (`optimizer.lr = 0.01`). Is the captured step still right? How could you tell?
