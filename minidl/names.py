"""The names in error messages: which one was meant where a name is not there, and which argument an error is about.

For initializers, for rules on parameters, and for the modules' own names.
"""

import contextlib
from collections.abc import Iterable, Iterator


def similar(name: str, known: Iterable[str], cutoff: float = 0.0) -> list[str]:
    """The known names that begin with this one, or else those most like it, whatever their case and underscores.

    Examples
    --------
    >>> similar("HeNorml", ["he_normal", "he_uniform"]), similar("xavier", ["xavier_uniform", "zeros", "xavier_normal"])
    (['he_normal'], ['xavier_uniform', 'xavier_normal'])
    """
    import difflib  # only here, for it is slow to import

    plain = {spelt: spelt.lower().replace("_", "") for spelt in known}
    wanted = name.lower().replace("_", "")
    near = [spelt for spelt in plain if plain[spelt].startswith(wanted)]
    if wanted and near:
        return near
    best = difflib.get_close_matches(wanted, plain.values(), n=1, cutoff=cutoff)
    return [spelt for spelt in plain if plain[spelt] in best]


def no_attribute(owner: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for an attribute that `owner`, as in "module 'minidl.nn'", does not have, with the one that was meant.

    Examples
    --------
    >>> print(no_attribute("module 'minidl.nn'", "linear", ["Linear", "Tanh"]))
    module 'minidl.nn' has no attribute 'linear'; did you mean Linear?
    """
    near = [] if name.startswith("__") else similar(name, known, cutoff=0.6)  # Python itself asks for __path__ and the like
    return AttributeError(f"{owner} has no attribute {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))


@contextlib.contextmanager
def named(argument: str) -> Iterator[None]:
    """Errors raised inside begin with the name of the argument that they are about."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{argument}: {error}") from error
    except Exception as error:
        error.add_note(argument)
        raise
