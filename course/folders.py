"""Folders that are written whole or not at all, and never over what somebody else has written."""

import contextlib
import hashlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

MARK = ".made-by-minidl-course"
BY_PYTHON = {"__pycache__", ".pytest_cache", ".ipynb_checkpoints"}


@contextlib.contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """An empty folder to write to; at the end of `with` it becomes `out`, or nothing where there was an error.

    Raises
    ------
    ValueError
        If `out` exists, unless it is empty, or was written here and nobody has changed anything in it since.
    """
    out = Path(os.path.abspath(out))
    if os.path.lexists(out) and not _may_go(out):
        raise ValueError(f"{out} holds something that this command has not written: choose another --out, or remove it first")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name[:40]}-", dir=out.parent) as scratch:
        new, old = Path(scratch, "new"), Path(scratch, "old")
        new.mkdir()
        yield new
        (new / MARK).write_text(_fingerprint(new))
        if os.path.lexists(out) and not _may_go(out):
            others = (out.with_name(f"{out.name}-{i}") for i in itertools.count(2))
            kept = next(other for other in others if not os.path.lexists(other))
            new.rename(kept)
            raise ValueError(f"somebody has written into {out} meanwhile, so it stays; what was made now is in {kept}")
        if out.exists():
            out.rename(old)
        try:
            new.rename(out)
        except BaseException:
            if old.exists():
                old.rename(out)
            raise


def _may_go(out: Path) -> bool:
    if out.is_symlink() or not out.is_dir():
        return False
    mark = out / MARK
    return not any(out.iterdir()) or (mark.is_file() and mark.read_text() == _fingerprint(out))


def _fingerprint(folder: Path) -> str:
    """Of the names and the contents of all files, but for what Python leaves behind."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path != folder / MARK and not BY_PYTHON & set(path.relative_to(folder).parts) and path.is_file():
            digest.update(repr(str(path.relative_to(folder))).encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
