"""Tests that files are written whole or not at all: on a full disk, on an interrupt, through links, and into what is not a file
on a disk. What else is all or nothing is tested where it belongs: optimizer, modules, tensors."""

import io
import os
import stat
import subprocess
import sys
import tempfile
import threading

import pytest
from interrupts import interrupted

from minidl.atomic import write_whole

OLD = "old, and whole\n"


def test_text_is_utf_8_with_its_line_ends_and_bytes_are_as_they_are(tmp_path):
    write_whole(tmp_path / "text", "one\r\ntwo ±\n")
    write_whole(str(tmp_path / "bytes"), b"\x00\xff\n")
    assert (tmp_path / "text").read_bytes() == b"one\r\ntwo \xc2\xb1\n"
    assert (tmp_path / "bytes").read_bytes() == b"\x00\xff\n"
    assert len(list(tmp_path.iterdir())) == 2


FULL = """
import resource, signal, sys
from minidl import flow, plot
from minidl.atomic import write_whole
sys.path[:0] = {paths}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # no file grows beyond 1,000 bytes: a disk that is full then
try:
    {write}
except OSError:
    print("full")
"""

REPORT = """import argparse, contextlib, io, pathlib
    from benchmarks import compare
    args = argparse.Namespace(name="steps", quick=False, threads=1, out=pathlib.Path("file.png"))
    with contextlib.redirect_stdout(io.StringIO()):
        compare.report(args, "new" * 999)"""
RECORDS = 'flow.FlowReport([flow.LayerRecord(f"layer {i}", "Linear", 0.0, 1.0) for i in range(200)])'


@pytest.mark.skipif(sys.platform == "win32", reason="limits are for POSIX")
@pytest.mark.parametrize(
    "write",
    [
        f"{RECORDS}.to_csv('file.png')",
        f"{RECORDS}.plot('file.png')",
        REPORT,
        "write_whole('file.png', b'new' * 999)",
    ],
    ids=["csv", "picture", "results of a benchmark", "bytes"],
)
def test_on_a_full_disk_the_old_file_is_whole(write, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "file.png").write_text(OLD)
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    code = FULL.format(paths=[root], write=write)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("full\n", "")
    assert (tmp_path / "file.png").read_text() == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["file.png"]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # open to with
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("before", [OLD, None])
def test_an_interrupt_at_any_instruction_leaves_the_old_file_or_the_new_one_and_nothing_else(error, before, tmp_path):
    target, seen = tmp_path / "file", set()
    for countdown in range(10_000):
        if before is None:
            target.unlink(missing_ok=True)
        else:
            target.write_text(before)
        if not interrupted(lambda: write_whole(target, "new"), countdown, error, "atomic.py"):
            break
        after = target.read_text() if target.exists() else None
        assert after in (before, "new")
        assert {path.name for path in tmp_path.iterdir()} <= {"file"}
        seen.add(after)
    assert seen == {before, "new"}
    assert target.read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
def test_a_new_file_has_the_permissions_that_open_would_give_and_an_old_one_keeps_its_own(tmp_path):
    old = os.umask(0o027)
    try:
        write_whole(tmp_path / "new", "text")
        (tmp_path / "old").write_text(OLD)
        (tmp_path / "old").chmod(0o604)
        write_whole(tmp_path / "old", "text")
    finally:
        os.umask(old)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "old")] == [0o640, 0o604]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="for a user who may not write everything")
def test_a_read_only_file_is_an_error_and_stays(tmp_path):
    (tmp_path / "file").write_text(OLD)
    (tmp_path / "file").chmod(0o444)
    with pytest.raises(PermissionError):
        write_whole(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == OLD


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_stays_a_link_and_the_file_that_it_points_to_is_replaced(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_text(OLD)
    (tmp_path / "link").symlink_to(folder / "file")
    (tmp_path / "dangling").symlink_to(folder / "later")
    write_whole(tmp_path / "link", "new")
    write_whole(tmp_path / "dangling", "new")
    assert (tmp_path / "link").is_symlink()
    assert (folder / "file").read_text() == (folder / "later").read_text() == "new"
    assert sorted(path.name for path in folder.iterdir()) == ["file", "later"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_what_is_no_file_on_a_disk_is_written_to_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_whole(tmp_path / "pipe", "through")
    reader.join(60)
    assert got == ["through"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    code = "from minidl.atomic import write_whole; write_whole('/dev/stdout', 'said')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "said"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no such folder to write 'file.csv' into: .*nowhere"):
        write_whole(tmp_path / "nowhere" / "file.csv", "text")
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path, "text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["text", b"text"])
@pytest.mark.parametrize("mode", ["w", "wb", "w+b"])
def test_an_open_file_is_written_to_from_where_it_stands(mode, content):
    with tempfile.NamedTemporaryFile(mode) as file:
        file.write(b"ab" if "b" in mode else "ab")
        write_whole(file, content)
        file.flush()
        with open(file.name, "rb") as other:
            assert other.read() == b"abtext"


def test_a_picture_for_a_file_of_text_is_an_error_that_says_what_to_open():
    with pytest.raises(TypeError, match=r'open for bytes: open\(path, "wb"\), or io.BytesIO\(\)'):
        write_whole(io.StringIO(), b"\x89PNG")
