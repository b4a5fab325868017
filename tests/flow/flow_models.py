"""Models that the tests of `flow` share."""

from itertools import pairwise

import numpy as np

from minidl import nn
from minidl.random import Generator

X, Y = Generator(5).normal((16, 8)), np.arange(16) % 3


def mlp(activation=nn.Tanh, initializer="xavier_uniform", sizes=(8, 6, 6, 3), seed=0, **options):
    rng, layers = Generator(seed), []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out, weight_init=initializer, rng=rng, **options), activation()]
    return nn.Sequential(*layers[:-1])


def deep(activation, std, batch_norm=False, seed=0, depth=10, width=500):
    rng, layers = Generator(seed), []
    for _ in range(depth):
        layers.append(nn.Linear(width, width, bias=False, weight_init=nn.init.Normal(0, std), rng=rng))
        layers += [nn.BatchNorm1d(width)] * batch_norm + [activation()]
    return nn.Sequential(*layers)


class Twice(nn.Module):
    def __init__(self):
        self.fc = nn.Linear(8, 8, rng=0)
        self.act = nn.Tanh()
        self.out = nn.Linear(8, 3, rng=1)

    def forward(self, x):
        return self.out(self.act(self.fc(self.act(self.fc(x)))))
