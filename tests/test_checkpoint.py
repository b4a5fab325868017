"""Tests minidl.save and minidl.load: that training goes on with the same bits in another process, that a file is whole and a
load changes all or nothing, and that no damaged or hostile file does anything but raise an error that names it."""

import io
import json
import math
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from interrupts import interrupted, states_after_interrupts

import minidl
from minidl import Tensor, nn, optim
from minidl.random import Generator

RUN = """
import sys, hashlib
import numpy as np, minidl
from minidl import data, nn, optim
from minidl.random import Generator

rng, orders = Generator(7), Generator(8)
model = nn.Sequential(
    nn.Linear(4, 16, rng=rng), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.3, rng=rng), nn.Linear(16, 3, rng=rng)
)
optimizer = getattr(optim, sys.argv[1])(model.parameters(), lr=0.05)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)
x, y = Generator(0).normal((30, 4)), Generator(1).integers(0, 3, 30)
loader = data.DataLoader((x, y), batch_size=10, shuffle=True, rng=orders)
parts = dict(model=model, optimizer=optimizer, scheduler=scheduler, rng=rng, orders=orders)

def epoch():
    for x_batch, y_batch in loader:  # three steps
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(model(x_batch), y_batch).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    scheduler.step()

for action in sys.argv[3:]:
    if action == "epoch":
        epoch()
    elif action == "save":
        minidl.save(sys.argv[2], **parts, epoch=1)
    else:
        assert minidl.load(sys.argv[2], **parts) == {"epoch": 1}
states = model.state_dict(), optimizer.state_dict(), scheduler.state_dict(), rng.state_dict(), orders.state_dict()
np.set_printoptions(threshold=10**6, floatmode="unique")
print(hashlib.sha256(str(states).encode()).hexdigest())
"""


@pytest.mark.parametrize("rule", ["Adam", "RMSprop"])
def test_training_that_goes_on_in_another_process_has_the_bits_of_training_through(rule, tmp_path):
    def run(*actions):
        command = [sys.executable, "-c", RUN, rule, str(tmp_path / "run.npz"), *actions]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    through, half = run("epoch", "epoch"), run("epoch", "save")
    assert run("load") == half != through
    assert run("load", "epoch") == through


def parts(seed=0, steps=2):
    """A model and what trains it, after some steps."""
    rng = Generator(seed)
    model = nn.Sequential(nn.Linear(3, 2, rng=rng), nn.BatchNorm1d(2))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 1)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(rng.normal((4, 3))) ** 2).sum().backward()
        optimizer.step()
        scheduler.step()
    return {"model": model, "optimizer": optimizer, "scheduler": scheduler, "rng": rng}


def state(parts):
    return str({name: part.state_dict() for name, part in parts.items()})


def saved(**parts):
    file = io.BytesIO()
    minidl.save(file, **parts)
    file.seek(0)
    return file


def test_all_parts_get_their_states_back():
    here, there = parts(0), parts(1, steps=1)
    assert minidl.load(saved(**here), **there) == {}
    assert state(there) == state(here)


def test_a_part_that_is_not_asked_for_is_returned_as_its_state_dict():
    here, there = parts(0), parts(1)
    rest = minidl.load(saved(**here, epoch=3), model=there["model"])
    assert set(rest) == {"optimizer", "scheduler", "rng", "epoch"}
    assert str(rest["optimizer"]) == str(here["optimizer"].state_dict())
    assert rest["rng"] == {"seed": 0, "position": here["rng"].position}
    assert there["model"].state_dict()["0.weight"].tolist() == here["model"].state_dict()["0.weight"].tolist()


def test_values_come_back_as_they_were():
    values = {
        "none": None,
        "flags": [True, False],
        "numbers": (1, -(2**70), 0.1, 5e-324, -0.0, 1.7976931348623157e308),
        "limits": [math.inf, -math.inf],
        "text": 'naïve 数 \udcff \0 "quoted"',
        "nested": {"a": [(), {}, [[]]], 3: {"b": (1, [2])}, "": 0},
    }
    found = minidl.load(saved(**values))
    assert repr(found) == repr(values)
    assert math.isnan(minidl.load(saved(x=math.nan))["x"])
    assert repr(minidl.load(saved(x=np.float32(0.1), n=np.int64(3)))) == repr({"x": float(np.float32(0.1)), "n": 3})


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, np.bool_, ">f8", np.float16])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)])
def test_arrays_come_back_to_the_last_bit(shape, dtype):
    array = np.array(np.random.default_rng(0).standard_normal(shape) * 100).astype(dtype)
    found = minidl.load(saved(x=[array, array.T], t=Tensor(np.ones(shape))))
    for x, expected in zip(found["x"], (array, array.T), strict=True):
        assert type(x) is np.ndarray
        assert (x.dtype, x.shape, x.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
        assert x.flags.writeable
    assert found["t"].tolist() == np.ones(shape).tolist()


def test_a_name_may_be_any(tmp_path):
    names = {"path": 1, "parts": 2, "structure": 3, "0": 4, "file": [5], "minidl": 6, "with space": np.ones(1)}
    minidl.save(tmp_path / "no ending", **names)
    assert str(minidl.load(tmp_path / "no ending")) == str(names)
    with np.load(tmp_path / "no ending") as file:
        assert file.files == ["structure", "0"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "x is object; what has a state_dict can be saved"),
        ([1, {"a": {3}}], r"x\[1\]\['a'\] is set; what has"),
        (np.array(["a"]), "x is an array of <U1"),
        (np.array([None]), "x is an array of object"),
        (np.ones(1, complex), "x is an array of complex128"),
        ([np.ma.masked_array([1.0, 2.0], [True, False])], r"x\[0\] is a masked array"),
        (1j, "x is complex"),
        ({(1, 2): 3}, "x is dict"),
        (b"bytes", "x is bytes"),
        (len, "x is builtin_function_or_method"),
    ],
)
def test_what_cannot_be_saved_is_an_error_that_says_where_it_is_and_leaves_the_file(value, message, tmp_path):
    path = tmp_path / "run.npz"
    minidl.save(path, epoch=1)
    with pytest.raises(TypeError, match=f"^save: {message}"):
        minidl.save(path, epoch=2, x=value)
    assert minidl.load(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # open to with
def test_a_save_that_is_interrupted_leaves_the_old_file_or_the_new(tmp_path):
    path = tmp_path / "run.npz"
    found, countdown = set(), 0
    while True:
        minidl.save(path, epoch=1)
        stopped = interrupted(lambda: minidl.save(path, epoch=2, x=np.ones(3)), countdown)
        found.add(minidl.load(path)["epoch"])
        assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
        if not stopped:
            break
        countdown += 7
    assert found == {1, 2}


def test_a_load_that_is_interrupted_has_changed_all_parts_or_none():
    content = saved(**parts(0)).getvalue()
    found = states_after_interrupts(lambda: parts(1, 1), lambda p: minidl.load(io.BytesIO(content), **p), state, every=41)
    assert found == [state(parts(1, 1)), state(parts(0))]


class Other:
    """What is not minidl's, and has a state."""

    def __init__(self, value, wrong=False):
        self.value, self.wrong = value, wrong

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        if self.wrong:
            raise ValueError("no such value")
        self.value = state["value"]


def test_what_has_a_state_dict_of_its_own_is_saved_and_loaded_too():
    there = parts(1, 1)
    other = Other(0)
    minidl.load(saved(**parts(0), other=Other(3)), **there, other=other)
    assert other.value == 3
    assert state(there) == state(parts(0))
    there = parts(1, 1)
    with pytest.raises(ValueError, match="no such value"):
        minidl.load(saved(**parts(0), other=Other(3)), **there, other=Other(0, wrong=True))
    assert state(there) == state(parts(1, 1))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda p: p.update(model=nn.Linear(3, 2)), ValueError, "model: load_state_dict of Linear: missing: bias, weight"),
        (
            lambda p: p.update(optimizer=optim.SGD(p["model"].parameters(), lr=1)),
            ValueError,
            "optimizer: load_state_dict of SGD: group 0 has 'betas', 'eps'",
        ),
        (
            lambda p: p.update(scheduler=optim.lr_scheduler.LinearLR(p["optimizer"])),
            TypeError,
            "scheduler: load_state_dict of LinearLR takes a dict with",
        ),
        (lambda p: p.update(rng=p["scheduler"]), TypeError, "rng: load_state_dict of StepLR takes a dict with"),
        (lambda p: p.update(scheduler=p["rng"]), TypeError, "scheduler: load_state_dict of Generator takes a dict with 'seed'"),
        (lambda p: p.update(second=p["model"]), ValueError, r"has no 'second', but 'model', 'optimizer', 'scheduler', 'rng'"),
        (lambda p: p.update(epoch=3), TypeError, "epoch must have a load_state_dict, got int; what has none is returned"),
    ],
)
def test_a_part_that_does_not_fit_is_an_error_that_names_it_and_changes_nothing(change, error, message, tmp_path):
    path = tmp_path / "run.npz"
    minidl.save(path, **parts(0))
    there = parts(1, 1)
    asked = dict(there)
    change(asked)
    before = state(there)
    with pytest.raises(error, match=rf"^load: .*{message}") as caught:
        minidl.load(path, **asked)
    assert "epoch" in asked or "run.npz" in str(caught.value)
    assert state(there) == before


def test_no_such_file_or_folder_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        minidl.load(tmp_path / "nothing.npz")
    with pytest.raises(FileNotFoundError, match=r"no such folder"):
        minidl.save(tmp_path / "nowhere" / "run.npz", epoch=1)


# Damaged and hostile files


def refused(content, tmp_path, message=""):
    path = tmp_path / "run.npz"
    path.write_bytes(content)
    there = parts(1, 1)
    before = state(there)
    with pytest.raises(ValueError, match=rf"^load: .*run\.npz is damaged, or not a file of minidl\.save \(.*{message}"):
        minidl.load(path, **there)
    assert state(there) == before


def test_a_truncated_file_is_an_error(tmp_path):
    content = saved(**parts(0)).getvalue()
    for length in [*range(0, len(content), 211), len(content) - 1]:
        refused(content[:length], tmp_path)


def test_a_file_with_a_changed_byte_is_an_error_or_read_as_it_was():
    """A byte that says nothing about the content, such as a date, may change; then what is read is the same."""
    content, expected = saved(x=np.arange(3.0), epoch=3).getvalue(), "{'x': array([0., 1., 2.]), 'epoch': 3}"
    assert str(minidl.load(io.BytesIO(content))) == expected
    errors = 0
    for i in range(len(content)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = content[:i] + bytes([content[i] ^ flip]) + content[i + 1 :]
            try:
                found = minidl.load(io.BytesIO(damaged))
            except ValueError as error:
                assert "is damaged, or not a file of minidl.save" in str(error)  # noqa: PT017
                errors += 1
            else:
                assert str(found) == expected
    assert errors > len(content)


def test_a_checksum_counts_also_where_the_header_says_that_there_is_less():
    content = saved(x=np.arange(3000.0)).getvalue()
    with pytest.raises(ValueError, match=r"is damaged, or not a file of minidl\.save"):
        minidl.load(io.BytesIO(content.replace(b"(3000,)", b"(1000,)")))


def forged(structure, compression=zipfile.ZIP_STORED, **entries):
    """A file with this structure, and entries of any bytes."""
    file = io.BytesIO()
    text = io.BytesIO()
    np.save(text, np.frombuffer((structure if isinstance(structure, str) else json.dumps(structure)).encode(), np.uint8))
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("structure.npy", text.getvalue())
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(array, allow_pickle=False):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


class Trap:
    def __reduce__(self):
        return print, ("the file ran this",)


HUGE = npy(np.zeros(3)).replace(b"(3,)", b"(9" + b"9" * 12 + b",)")[: 128 + 24]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a file of minidl",
        b"PK\x05\x06" + bytes(18),  # an empty archive
        npy(np.ones(3)),
        forged("{"),
        forged("[" * 100_000),
        forged([]),
        forged({}),
        forged({"minidl": 1}),
        forged({"minidl": 2, "parts": {}}),
        forged({"minidl": 1, "parts": []}),
        forged({"minidl": 1, "parts": {"x": {"array": 0}}}),
        forged({"minidl": 1, "parts": {"x": {"array": "structure", "tuple": []}}}),
        forged({"minidl": 1, "parts": {"x": {}}}),
        forged({"minidl": 1, "parts": {"x": {"run": "this"}}}),
        forged({"minidl": 1, "parts": {"x": {"tuple": 3}}}),
        forged({"minidl": 1, "parts": {"x": {"dict": [[[], 1]]}}}),
        forged({"minidl": 1, "parts": {"x": {"dict": [[1, 2, 3]]}}}),
        forged({"minidl": 1, "parts": {"x": {"array": 0}}}, **{"0": b"no array"}),
        forged({"minidl": 1, "parts": {"x": {"array": 0}}}, **{"0": npy(np.array([Trap()]), allow_pickle=True)}),
        forged({"minidl": 1, "parts": {"x": {"array": 0}}}, **{"0": npy(np.array(["text"]))}),
        forged({"minidl": 1, "parts": {"x": {"array": 0}}}, **{"0": npy(np.ones(9))[:-8]}),
        forged({"minidl": 1, "parts": {"x": {"array": 0}}}, **{"0": HUGE}),
        forged({"minidl": 1, "parts": {"x": [{"array": 0}, {"array": 0}]}}, **{"0": npy(np.ones(3))}),
        forged({"minidl": 1, "parts": {"x": {"array": "structure"}}}),
        forged({"minidl": 1, "parts": {"x": {"array": 0}}}, zipfile.ZIP_DEFLATED, **{"0": npy(np.zeros(10**6))}),
    ],
)
def test_a_file_that_means_harm_is_an_error_and_runs_nothing(content, tmp_path, capsys):
    refused(content, tmp_path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("rng", {"seed": -1}, "rng: seed must be an integer from 0"),
        ("rng", {"seed": 2**64}, "rng: seed must be an integer from 0"),
        ("rng", {"seed": "0"}, "rng: seed must be an integer from 0"),
        ("rng", {"position": -1}, "rng: position must be an integer from 0"),
        ("rng", {"position": 2**63}, "rng: position must be an integer from 0"),
        ("rng", {"position": 0.5}, "rng: position must be an integer from 0"),
        ("rng", {"key": 3}, "rng: load_state_dict of Generator takes a dict with 'seed' and 'position'"),
        ("scheduler", {"last_epoch": -1}, "scheduler: load_state_dict of StepLR: last_epoch must be an integer of at least 0"),
        (
            "model",
            {"0.weight": [[math.nan] * 3] * 2},
            "model: load_state_dict of Sequential: 0.weight: expected finite numbers",
        ),
        ("model", {"1.running_var": [-1.0, 1.0]}, "model: .*1.running_var: expected numbers of at least 0"),
        ("optimizer", {"state": {0: {"exp_avg": [1.0]}}}, "optimizer: load_state_dict of Adam: state of parameter 0: exp_avg"),
    ],
)
def test_a_state_that_cannot_be_is_an_error_and_changes_nothing(name, change, message):
    states = {name: part.state_dict() for name, part in parts(0).items()}
    states[name] |= change
    there = parts(1, 1)
    with pytest.raises((TypeError, ValueError), match=rf"^load: .*{message}"):
        minidl.load(saved(**states), **there)
    assert state(there) == state(parts(1, 1))


def test_importing_minidl_does_not_load_what_only_files_need():
    code = (
        "import sys, numpy; before = set(sys.modules); import minidl; print({'zipfile', 'json'} & (set(sys.modules) - before))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "set()\n"
