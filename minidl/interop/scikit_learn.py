"""A network as a classifier of scikit-learn, for its pipelines, searches and cross-validations.

from minidl.interop.scikit_learn import NetworkClassifier
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import functional as F
from .. import nn, optim, training
from ..names import similar
from ..random import Generator
from ..tensor import no_grad

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "silu": nn.SiLU, "gelu": nn.GELU, "identity": nn.Identity,
}  # fmt: skip


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """A network of Linear layers and an activation, trained by SGD on the cross-entropy.

    Features should have a mean near 0 and a spread near 1, for which initializers are made: put a `StandardScaler` before it.

    Parameters
    ----------
    hidden : sequence of int
        The widths of the hidden layers.
    activation : "tanh", "relu", "sigmoid", "silu", "gelu" or "identity"
    weight_init : initializer, name, number or function
        As in `nn.Linear`: what the weights of all layers are initialized with.
    batch_norm : bool
        If True, there is a BatchNorm1d before each activation.
    epochs, batch_size : int
    lr, momentum : float
        Of `optim.SGD`.
    random_state : int, RandomState or None
        Where the weights and the order of the samples come from, as scikit-learn has it.

    Attributes
    ----------
    model_ : Sequential
        The network: `flow.measure(classifier.model_, x)` looks into it.
    classes_ : ndarray
    n_features_in_ : int
    loss_curve_ : list of float
        The mean loss before the training, and after each epoch.

    Examples
    --------
    >>> from minidl import data
    >>> x_train, y_train, x_test, y_test = data.digits()
    >>> classifier = NetworkClassifier(weight_init="he_normal", activation="relu", random_state=0).fit(x_train, y_train)
    >>> classifier.score(x_test, y_test) > 0.9
    True
    """

    def __init__(
        self,
        hidden: Sequence[int] = (64,),
        activation: str = "tanh",
        weight_init: Any = "xavier_uniform",
        batch_norm: bool = False,
        epochs: int = 50,
        batch_size: int = 32,
        lr: float = 0.05,
        momentum: float = 0.9,
        random_state: Any = None,
    ):
        self.hidden = hidden
        self.activation = activation
        self.weight_init = weight_init
        self.batch_norm = batch_norm
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.momentum = momentum
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "NetworkClassifier":
        """Train a new network on samples X of shape (samples, features) and their classes y."""
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        rng = Generator(int(check_random_state(self.random_state).randint(2**31 - 1)))
        self.model_ = self._network(rng)
        optimizer = optim.SGD(self.model_.parameters(), lr=self.lr, momentum=self.momentum)
        split = (X, labels, X[:1], labels[:1])  # what is for testing, scikit-learn keeps for itself
        epochs = training.epochs(self.model_, split, optimizer, self.epochs, batch_size=self.batch_size, rng=rng)
        self.loss_curve_ = [epoch.loss for epoch in epochs]
        return self

    def _network(self, rng: Generator) -> nn.Sequential:
        if self.activation not in ACTIVATIONS:
            near = similar(str(self.activation), ACTIVATIONS)
            known = ", ".join(ACTIVATIONS)
            raise ValueError(f"activation must be one of {known}, got {self.activation!r}; did you mean {near[0]!r}?")
        layers: list[nn.Module] = []
        width = self.n_features_in_
        for units in self.hidden:
            layers.append(nn.Linear(width, units, weight_init=self.weight_init, rng=rng))
            layers += [nn.BatchNorm1d(units)] if self.batch_norm else []
            layers.append(ACTIVATIONS[self.activation]())
            width = units
        return nn.Sequential(*layers, nn.Linear(width, len(self.classes_), weight_init=self.weight_init, rng=rng))

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, in the order of `classes_`, for samples X."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        self.model_.eval()
        with no_grad():
            return F.softmax(self.model_(X)).data

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each sample."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
