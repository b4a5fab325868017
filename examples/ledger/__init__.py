"""The claims of the ledger, in a file for each script that measures them; `claims.py`, beside this folder, collects them.

They stand apart from the scripts, so that a script can be copied out alone. These files need theirs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


class Text(NamedTuple):
    """The same in both languages."""

    en: str
    zh: str


@dataclass(frozen=True)
class Claim:
    """One claim, and how it is put to the test.

    Attributes
    ----------
    number : int
        From 1 on; in which section of the page it stands, claims.py says.
    articles : str
        Which articles make it: "A B".
    claim, verdict : Text
        The verdict begins with "true", "true, but", "false" or "depends" (正确, 正确，但, 错误, 视情况而定), and says why
        in one sentence.
    expected : Text
        What theory, arithmetic or a known result says, with its source.
    measured : Text
        How the result of `measure` reads: a format string with its names, "std {std:.3f}" or "std {stds[0]:.3f}".
    measure : function () -> dict
        Numbers, or lists of them, by name; takes seconds. What chance makes has its spread over several seeds with it.
    holds : function of this dict -> bool
        Whether the numbers support the verdict.
    picture : str
        A file in docs/claims/, which `command` draws.
    command : str
        "python examples/symmetry.py", with options where there are some.
    """

    number: int
    articles: str
    claim: Text
    verdict: Text
    expected: Text
    measured: Text
    measure: Callable[[], dict[str, Any]]
    holds: Callable[[dict[str, Any]], bool]
    picture: str
    command: str
