"""The version of minidl, as in pyproject.toml: in a file of its own, so that any part may ask for it."""

__version__ = "0.1.0"
