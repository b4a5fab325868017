"""Adam and AdamW: the rules. Groups, checks and saving are in `optimizer.py`."""

from collections.abc import Iterable
from typing import Any, ClassVar

from .. import kernels
from ..tensor import Tensor
from .optimizer import Optimizer


class Adam(Optimizer):
    """Adam: each element moves by the mean of its gradients over the root of their mean square. PyTorch's rule.

    At step t, for each parameter p with gradient g, where m and v begin as 0:

        g = g + weight_decay p
        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    The quotients by 1 - beta^t correct the bias of a mean that began as 0. So the first step is `lr g / (|g| + eps)`: as long
    as lr, whatever the gradient is.

    Parameters
    ----------
    params : iterable of Tensor, or of dicts
        Usually model.parameters(). One without a gradient is left alone, and its steps are not counted. Dicts are groups
        with numbers of their own, as in PyTorch: {"params": [...], "lr": 0.01}.
    lr : float
        The learning rate, at least 0.
    betas : pair of float
        beta1 and beta2, at least 0 and below 1.
    eps, weight_decay : float
        At least 0.

    Raises
    ------
    ValueError
        If there is no parameter, one comes twice, or a number is not in its range, NaN or infinite.
    TypeError
        If something else than a Tensor is among the parameters, or a group has a key that Adam does not know.

    Notes
    -----
    In a state_dict, t, m and v are called "step", "exp_avg" and "exp_avg_sq", as in PyTorch. Its option amsgrad is not here.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.

    Examples
    --------
    >>> w = Tensor([1.0, -100.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data
    array([  0.5, -99.5], dtype=float32)
    """

    _least: ClassVar[dict[str, float]] = {"lr": 0.0, "eps": 0.0, "weight_decay": 0.0}
    _remembered = _always = ("step", "exp_avg", "exp_avg_sq")
    _squares = ("exp_avg_sq",)
    _decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def _check(self, where: str, group: dict[str, Any]) -> None:
        super()._check(where, group)
        try:
            beta1, beta2 = map(float, group["betas"])
        except (TypeError, ValueError):
            raise TypeError(f"{where}: betas must be two numbers, got {group['betas']!r}") from None
        if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
            raise ValueError(f"{where}: betas must be at least 0 and below 1, got {group['betas']}")
        group["betas"] = (beta1, beta2)

    def _numbers(self, group: dict[str, Any]) -> tuple[Any, ...]:
        return group["lr"], *group["betas"], group["eps"], group["weight_decay"], self._decoupled

    def _step(self, groups: list[tuple[list[Tensor], dict[str, Any]]], counts: list[list[int]]) -> None:
        rows, steps = [], []
        started: list[tuple[Any, Any, Any]] = []
        for params, group in groups:
            made, means, squares = (self._recalled(name, params, started) for name in self._remembered)
            rows.append(
                (
                    [p._data for p in params],
                    [p._grad for p in params],
                    means,
                    squares,
                    [n[0] for n in made],
                    *self._numbers(group),
                )
            )
            steps += made
        kernels.adam(rows, counts + steps, started)  # which also counts, and remembers what it started


class AdamW(Adam):
    """Adam with decoupled weight decay, by PyTorch's rule.

    Adam's rule adds weight_decay p to the gradient, and then divides it by the root of the mean square like the rest: a weight
    decays the less, the larger its gradients were. Here each step first shrinks all weights alike, and g is the gradient alone:

        p = p - lr weight_decay p
        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    Parameters, errors and the state_dict are those of `Adam`; the default of weight_decay is 0.01.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2 (where the decay is not
    multiplied by the learning rate, but by its schedule).

    Examples
    --------
    >>> w = Tensor([8.0], requires_grad=True)
    >>> optimizer = AdamW([w], lr=0.5, weight_decay=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data  # 8 (1 - 0.5 * 0.25) - 0.5
    array([6.5], dtype=float32)
    """

    _decoupled = True
    _in_pytorch: ClassVar[dict[str, bool]] = {"decoupled_weight_decay": True}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        super().__init__(params, lr, betas, eps, weight_decay)
