"""The explorer's page in a real browser: every control, its numbers beside Python's, training, accessibility, bad links.

Skipped where there is no Chromium or no playwright-core and axe-core:

    apt-get install chromium && npm install --no-save playwright-core axe-core
    python -m pytest tests/test_explorer_page.py
"""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from test_explorer import LINKS, of_blocks, run_program

ROOT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PACKAGES = [ROOT / "node_modules" / name for name in ("playwright-core", "axe-core")]
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and shutil.which("node") and all(package.exists() for package in PACKAGES)),
    reason="needs Chromium, Node, and playwright-core and axe-core in node_modules",
)
SHOWN = LINKS[:12]


@cache
def seen():
    """What tests/browser.mjs saw; pictures are put where EXPLORER_PICTURES says."""
    asked = {"page": (ROOT / "docs/explore/index.html").as_uri(), "browser": CHROMIUM, "links": SHOWN}
    asked = json.dumps(asked | {"pictures": os.environ.get("EXPLORER_PICTURES")})
    script = ROOT / "tests/browser.mjs"
    run = subprocess.run(["node", script], input=asked, capture_output=True, text=True, encoding="utf-8", check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("i", range(len(SHOWN)))
def test_the_numbers_are_those_of_python(i):
    found = seen()["numbers"][i]
    report, _, diagnosis = run_program(found["python"])
    blocks = of_blocks(report)
    assert found["layers"] == len(blocks)
    assert found["loss"] == pytest.approx(report.loss, rel=1e-3)
    assert found["verdict"] == (diagnosis[0].symptom if diagnosis else "none")
    scale = found["records"][-1]["grad"]["std"]
    for got, (linear, _, out) in zip(found["records"], blocks, strict=True):
        assert (got["units"], got["distinct"]) == (linear.units, linear.distinct_units)
        assert got["out"]["std"] == pytest.approx(out.out_std, rel=1e-2, abs=1e-6)
        assert got["grad"]["std"] == pytest.approx(out.grad_std, rel=2e-2, abs=1e-6 * scale)


def test_every_control_changes_what_it_says_and_no_other():
    controls = seen()["controls"]
    below = controls.pop("seedBelow0")
    assert below["invalid"] == "true"
    assert below["seed"] != -3
    own = {id: moved["changed"] for id, moved in controls.items() if id.startswith("layer-")}
    assert own == {"layer-init": ["layers"], "layer-gain": ["layers"]}
    others = {id: moved["changed"] for id, moved in controls.items() if id not in own}
    names = ["data", "depth", "width", "activation", "init", "gain", "bias", "norm", "seed", "rate", "momentum"]
    assert others == {name: [name] for name in names}


def test_questions_training_languages_and_links():
    use = seen()["use"]
    assert {name: question["verdict"] for name, question in use["questions"].items()} == {
        "zeros": "clones", "constant": "clones", "small": "vanishing", "large": "saturated", "xavier": "none",
        "xavier-relu": "vanishing", "he": "none", "lecun": "none", "orthogonal": "none", "batch-norm": "none", "dying": "dead",
        "one-zero": "clones",
    }  # fmt: skip
    assert all(question["said"] and question["isPressed"] == "true" for question in use["questions"].values())
    assert (use["trained"]["zeros"]["verdict"], use["trained"]["xavier"]["verdict"]) == ("clones", "none")
    accuracy = {name: int(found["progress"].split("accuracy ")[1].removesuffix(" %")) for name, found in use["trained"].items()}
    assert accuracy["zeros"] < 25 < 80 < accuracy["xavier"]
    assert not use["trained"]["xavier"]["isTraining"]
    assert use["chosen"] == "3"
    assert use["oneLayer"] == {"verdict": "clones", "hash": "#depth=6&layers=3:zeros:1"}
    assert use["reloaded"] == use["oneLayer"]["hash"]
    assert use["steps"] == 1
    assert use["chinese"]["lang"] == "zh-CN"
    assert not set(use["chinese"]["english"] or []) - {"weights"}  # a name in the Python program


def test_it_is_accessible_and_fits_the_screen():
    assert seen()["looks"] == {"violations": [], "wide": []}


def test_what_it_cannot_do_it_says():
    sentences = seen()["sentences"]
    assert "depth=500, which cannot be: whole numbers from 1 to 50" in sentences["link"]
    assert "init=he, which cannot be: one of" in sentences["link"]
    assert "layers=x" in sentences["link"]
    assert all("WebAssembly" in sentences[name] for name in ("noSimd", "noWasm", "noStreams"))


def test_nothing_failed_and_nothing_was_fetched():
    assert seen()["errors"] == []
    print(seen()["times"])
