# %% [markdown]
# # A sweep: how far chance goes
#
# One training says little: another seed gives another result. A sweep trains the same network at every point of a grid, from
# several seeds, keeps what is finished on disk, and says which differences are larger than chance.

# %%
import tempfile

from minidl import flow, nn


def model(depth, initializer):
    layers = [nn.Linear(64, 32, weight_init=initializer), nn.ReLU()]
    for _ in range(depth - 2):
        layers += [nn.Linear(32, 32, weight_init=initializer), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(32, 10, weight_init=initializer))


train = flow.Training(model, epochs=4, lr=0.05)
grid = {"depth": [2, 6, 12, 20], "initializer": ["he_normal", "xavier_normal", "orthogonal"]}
store = tempfile.mkdtemp()  # a folder of yours, so that nothing is lost when the notebook is closed

# %%
result = flow.sweep(train, grid, seeds=3, store=store)
print(result)

# %%
result.curve("depth", "accuracy", by="initializer")

# %% [markdown]
# The band is the spread over the seeds. Where bands overlap, three seeds do not tell the initializers apart.
#
# ## Nothing is trained twice
#
# The same call again only reads the store. A larger grid trains only what is new.

# %%
again = flow.sweep(train, grid | {"depth": [2, 6, 12, 20, 30]}, seeds=3, store=store)
print(again)

# %% [markdown]
# ## As a table

# %%
again.pivot("depth", "initializer", "accuracy")

# %%
again.table()[:2]

# %% [markdown]
# ## Exercises
#
# 1. Put `lr` into the grid, `"lr": [0.01, 0.05, 0.2]`. Does the best initializer depend on it?
# 2. Put a name that does not exist into the grid, `"initializer": ["xavier"]`. What becomes of the sweep?
# 3. How many seeds do you need until He and orthogonal differ by more than chance at depth 12?
# 4. Run it on both cores, `n_jobs=2`. Are the numbers the same? Exactly?
