"""The ledger: what articles claim about initialization, each claim measured and compared with what one expects.

The claims stand in ledger/, in a list `CLAIMS` for each of the scripts beside this file, which measure them. This one collects
and measures them, and writes docs/claims.md, docs/claims.zh-CN.md and the pictures in docs/claims/. It is the one script that
needs all the others and cannot be copied out alone. tests/test_claims.py asserts on the same measurements.

    python examples/claims.py
    python examples/claims.py 10 19

With numbers it measures only those claims and writes no page. Without, it measures all of them with each set of kernels that
this machine has, for a sum that is rounded otherwise trains another network.
"""

import argparse
import contextlib
import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ledger import Claim
from ledger.labels import both_languages, chinese_name

from minidl import show_config
from minidl.atomic import write_whole
from minidl.script import positive_integer, progress

EXAMPLES = Path(__file__).resolve().parent
DOCS = EXAMPLES.parent / "docs"
SECTIONS = [
    ("Zero, one, constant", "全零、全一与常数", [*range(1, 9), 44]),
    ("Random, small or large", "随机初始化：过小与过大", [*range(9, 17), 36, 38, 43, 45]),
    ("Xavier, He, LeCun", "Xavier、He 与 LeCun", [*range(17, 28), 39, 41]),
    ("Biases, dead ReLUs, batch norm, and more", "偏置、ReLU 死亡、批归一化及其他", [*range(28, 36), 37, 40, 42]),
]
COUNT = sum(len(numbers) for *_, numbers in SECTIONS)
NUMBER = re.compile(r"(?<![\w.])(?:± )?-?(?:\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?%?|inf\b|nan\b)", re.ASCII)


def collect() -> list[Claim]:
    """All claims, by number."""
    claims: list[Claim] = []
    for path in sorted(set(EXAMPLES.glob("ledger/[a-z]*.py")) - {EXAMPLES / "ledger" / "labels.py"}):
        claims += importlib.import_module(f"ledger.{path.stem}").CLAIMS
    numbers = [claim.number for claim in claims]
    twice = sorted({n for n in numbers if numbers.count(n) > 1})
    missing = sorted(set(range(1, COUNT + 1)) - set(numbers))
    if twice or missing:
        raise ValueError(f"of the claims 1 to {COUNT}, {missing or 'none'} are missing and {twice or 'none'} come twice")
    return sorted(claims, key=lambda claim: claim.number)


PAGES = {
    "claims.md": (
        """# What people read about initialization, measured

<!-- Written by `python examples/claims.py`; do not edit. 中文：claims.zh-CN.md -->

Five articles that one finds on weight initialization make {count} claims. Here each is compared with what minidl measures
and with what is to be expected. Most are right; where one is not, the number says so. [中文版](claims.zh-CN.md)

The articles are **A** on initialization strategies for feed-forward networks; **B** on initialization seen through
histograms of a network of 10 layers with 500 tanh units each; **C** on initialization and performance; **D** on the
methods, with PyTorch lines to copy; and **E**, in which four chatbots answer why weights do not start at 0. **CS231n**
is the course whose lecture 5 (2016) has the pictures that B shows.

All numbers on this page, and the pictures, are made by `python examples/claims.py`; `tests/test_claims.py` checks the
same numbers. After ± stands the standard deviation over the seeds. All was measured with these kernels:
{kernels}; where they give different numbers, the first one's stands there, and the
smallest and the largest in brackets. n is the number of a layer's inputs.
""",
        ["#", "in", "claim", "verdict", "expected", "measured", "reproduce"],
        "picture",
    ),
    "claims.zh-CN.md": (
        """# 关于初始化的常见说法，逐条实测

<!-- 由 `python examples/claims.py` 生成，请勿手工修改。English: claims.md -->

网上能找到的五篇文章就权重初始化提出了 {count} 条说法。这里把每一条说法与 minidl 的实测结果、理论上应有的数值并列对照。\
多数说法是对的；不对的，用数字说明。[English](claims.md)

文章：**A** 前馈网络的权重初始化策略；**B** 用直方图看初始化（10 层、每层 500 个 tanh 神经元的网络）；\
**C** 初始化方法及其对性能的影响；**D** 各种初始化方法与可直接复制的 PyTorch 代码；\
**E** 四个聊天机器人回答“权重为什么不从 0 开始”。**CS231n** 是一门课程，B 中的图片出自它的第 5 讲（2016 年）。

本页的数字和图片全部由 `python examples/claims.py` 生成，`tests/test_claims.py` 检验的是同一批数字。\
± 之后是各随机种子之间的标准差。每一项都用以下几种计算内核各测一遍：{kernels}；结果不同时，先写第一种的数值，\
再在方括号里写最小值和最大值。n 为一层的输入数。
""",
        ["序号", "出处", "说法", "结论", "预期", "实测", "复现"],
        "图",
    ),
}


def read(text: str, results: Sequence[dict[str, Any]]) -> str:
    """How the results of several kernels read: the first one's, and behind a number that differs its range over all of them.

    The spread of a spread, behind ±, is left out.
    """
    first, *others = (text.format(**result) for result in results)
    columns = zip(*(NUMBER.findall(reading) for reading in (first, *others)), strict=True)

    def ranged(found: re.Match[str]) -> str:
        low, *_, high = sorted([*next(columns), found[0]], key=lambda number: float(re.sub("[±, %]", "", number)))
        return found[0] if low == high or "±" in low else f"{found[0]} [{low}, {high}]"

    return NUMBER.sub(ranged, first)


def picture_in(page: str, picture: str) -> str:
    """The picture with the labels of this page's language."""
    return picture if page == "claims.md" else chinese_name(Path(picture)).name


def page(name: str, claims: list[Claim], results: dict[str, dict[int, dict[str, Any]]]) -> str:
    """The ledger in one language, as Markdown; `results`: of each claim, by the kernels' names."""
    language = list(PAGES).index(name)
    introduction, titles, word = PAGES[name]
    lines, shown = [introduction.format(count=COUNT, kernels=(", ", "、")[language].join(results))], set()
    for *headings, numbers in SECTIONS:
        section = [claim for claim in claims if claim.number in numbers]
        lines += [f"## {headings[language]}", "", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
        for claim in section:
            measured = read(claim.measured[language], [result[claim.number] for result in results.values()])
            texts = [text[language] for text in (claim.claim, claim.verdict, claim.expected)]
            cells = [
                str(claim.number),
                claim.articles,
                *texts,
                measured,
                f"[{word}](claims/{picture_in(name, claim.picture)}) `{claim.command}`",
            ]
            lines.append(" | ".join(["", *(cell.replace("|", r"\|") for cell in cells), ""]).strip())
        for drawn, command in dict.fromkeys((claim.picture, claim.command) for claim in section):
            if drawn not in shown:
                lines += ["", f"![{command}](claims/{picture_in(name, drawn)})"]
                shown.add(drawn)
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def draw(command: str, out: Path) -> None:
    """Runs an example in this process, without its words; its pictures get a palette, which is a third of the size."""
    from PIL import Image  # comes with matplotlib

    _, script, *arguments = shlex.split(command)
    with both_languages(), contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module(Path(script).stem).main([*arguments, "--out", str(out)])
    for picture in (out, chinese_name(out)):
        small = io.BytesIO()
        Image.open(picture).convert("RGB").quantize(256).save(small, "png", optimize=True)
        write_whole(picture, small.getvalue())


def measure(claims: list[Claim]) -> dict[int, dict[str, Any]]:
    """The results by the claims' numbers, printed as they come; ends the program where one does not support its verdict."""
    results, wrong = {}, []
    for claim in claims:
        start = time.perf_counter()
        result = results[claim.number] = claim.measure()
        print(f"{claim.number:2} {claim.claim.en}\n   {claim.verdict.en}")
        print(f"   expected: {claim.expected.en}\n   measured: {claim.measured.en.format(**result)}", end="")
        print(f"  ({time.perf_counter() - start:.1f} s)")
        if not claim.holds(result):
            wrong.append(claim.number)
    if wrong:
        sys.exit(f"the measurements do not support the verdicts on claims {wrong}; nothing was written")
    return results


def kernels() -> tuple[str, list[str]]:
    """Those that run here, and all that this machine has: the names of instruction sets, and "reference"."""
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        show_config()
    backend, running, possible = re.findall(r"kernels +(\w+)\nisa +(\w+) \(possible: (.*)\)", shown.getvalue())[0]
    return (running if backend == "compiled" else backend), [*possible.split(", "), "reference"]


def measure_with(name: str) -> dict[int, dict[str, Any]]:
    """All results with other kernels, which are chosen when minidl is imported: in a process of their own."""
    chosen = {"MINIDL_KERNELS": "reference"} if name == "reference" else {"MINIDL_KERNELS": "compiled", "MINIDL_ISA": name}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        command = [sys.executable, str(Path(__file__)), "--results", str(path), *map(str, range(1, COUNT + 1))]
        run = subprocess.run(command, env={**os.environ, **chosen}, capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"with the kernels {name}: {run.stderr}")
        return {int(number): result for number, result in json.loads(path.read_text()).items()}


def main(arguments: Sequence[str] | None = None) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the root in 1/√n is a ? on a terminal that knows only ASCII, not an error
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", type=positive_integer, metavar="NUMBER", help=f"only these, of 1 to {COUNT}")
    parser.add_argument("--results", type=Path, metavar="FILE", help="where to write the results of NUMBERs, as JSON")
    args = parser.parse_args(arguments)
    if max(args.numbers, default=1) > COUNT:
        parser.error(f"there are {COUNT} claims, got {max(args.numbers)}")
    claims = collect()
    if args.numbers:
        results = measure([claim for claim in claims if claim.number in args.numbers])
        if args.results:
            write_whole(args.results, json.dumps(results, default=lambda number: number.item()).encode())
        return
    running, possible = kernels()
    everywhere = {running: measure(claims)}
    others = [name for name in possible if name != running]
    with ThreadPoolExecutor() as pool:  # each waits for a process
        for other, result in zip(
            others, progress(pool.map(measure_with, others), total=len(others), desc="other kernels"), strict=True
        ):
            everywhere[other] = result
    (DOCS / "claims").mkdir(exist_ok=True)
    for drawn, command in progress(dict.fromkeys((claim.picture, claim.command) for claim in claims), desc="pictures"):
        draw(command, DOCS / "claims" / drawn)
    for name in PAGES:
        write_whole(DOCS / name, page(name, claims, everywhere))
    print(f"\nWritten: {', '.join(PAGES)} and the pictures, in {DOCS}; kernels: {', '.join(everywhere)}")


if __name__ == "__main__":
    main()
