"""The ledger: what widely read articles claim about initialization, each claim measured and compared with what one expects.

The claims stand in ledger/, in a list `CLAIMS` for each of the scripts beside this file, which measure them. This one collects
and measures them, and writes docs/claims.md, docs/claims.zh-CN.md and the pictures in docs/claims/. It is the one script that
needs all the others and cannot be copied out alone. tests/test_claims.py asserts on the same measurements.

    python examples/claims.py
    python examples/claims.py 10 19

With numbers it measures only those claims and writes nothing.
"""

import argparse
import contextlib
import importlib
import io
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger import Claim

from minidl.atomic import write_whole
from minidl.script import positive_integer, progress

EXAMPLES = Path(__file__).resolve().parent
DOCS = EXAMPLES.parent / "docs"
COUNT = 43

SECTIONS = [  # the last claim of each
    (8, "Zero, one, constant", "全零、全一与常数"),
    (16, "Random, small or large", "随机初始化：过小与过大"),
    (27, "Xavier, He, LeCun", "Xavier、He 与 LeCun"),
    (COUNT, "Biases, dead ReLUs, batch norm, and more", "偏置、ReLU 死亡、批归一化及其他"),
]


def collect() -> list[Claim]:
    """All claims, by number."""
    claims: list[Claim] = []
    for path in sorted(EXAMPLES.glob("ledger/[a-z]*.py")):
        claims += importlib.import_module(f"ledger.{path.stem}").CLAIMS
    numbers = [claim.number for claim in claims]
    twice = sorted({n for n in numbers if numbers.count(n) > 1})
    missing = sorted(set(range(1, COUNT + 1)) - set(numbers) - set(range(37, 43)))  # to come
    if twice or missing:
        raise ValueError(f"of the claims 1 to {COUNT}, {missing or 'none'} are missing and {twice or 'none'} come twice")
    return sorted(claims, key=lambda claim: claim.number)


PAGES = {
    "claims.md": (
        """# What people read about initialization, measured

<!-- Written by `python examples/claims.py`; do not edit. 中文：claims.zh-CN.md -->

Five widely read articles on weight initialization make 35 claims. Here each is compared with what minidl measures and
with what is to be expected. Most are right; where one is not, the number says so. [中文版](claims.zh-CN.md)

The articles are **A** on initialization strategies for feed-forward networks; **B** on initialization seen through
histograms of a network of ten layers with 500 tanh units each; **C** on initialization and performance; **D** on the
methods, with PyTorch lines to copy; and **E**, in which four chatbots answer why weights do not start at 0.

All numbers on this page, and the pictures, are made by `python examples/claims.py`; `tests/test_claims.py` checks the
same numbers. A digit may differ on another processor where training is involved. n is the number of a layer's inputs.
""",
        ["#", "in", "claim", "verdict", "expected", "measured", "reproduce"],
        "picture",
    ),
    "claims.zh-CN.md": (
        """# 关于初始化的常见说法，逐条实测

<!-- 由 `python examples/claims.py` 生成，请勿手工修改。English: claims.md -->

五篇广为流传的文章就权重初始化提出了 35 条说法。这里把每一条与 minidl 的实测结果、以及理论上应有的数值并列。
多数说法是对的；不对的，用数字说明。[English](claims.md)

文章：**A** 前馈网络的权重初始化策略；**B** 用直方图看初始化（10 层、每层 500 个 tanh 单元的网络）；
**C** 初始化方法及其对性能的影响；**D** 各种初始化方法与可直接复制的 PyTorch 代码；
**E** 四个聊天机器人回答“权重为什么不从 0 开始”。

本页的数字和图片全部由 `python examples/claims.py` 生成，`tests/test_claims.py` 检验的是同一批数字。
涉及训练的结果，换一种处理器时末位可能略有出入。n 为一层的输入数。
""",
        ["序号", "出处", "说法", "结论", "预期", "实测", "复现"],
        "图",
    ),
}


def page(name: str, claims: list[Claim], results: dict[int, dict[str, Any]]) -> str:
    """The ledger in one language, as Markdown."""
    language = list(PAGES).index(name)
    introduction, titles, word = PAGES[name]
    lines, first, shown = [introduction], 1, set()
    for last, *headings in SECTIONS:
        section = [claim for claim in claims if first <= claim.number <= last]
        lines += [f"## {headings[language]}", "", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
        for claim in section:
            measured = claim.measured[language].format(**results[claim.number])
            texts = [text[language] for text in (claim.claim, claim.verdict, claim.expected)]
            cells = [str(claim.number), claim.articles, *texts, measured, f"[{word}](claims/{claim.picture}) `{claim.command}`"]
            lines.append(" | ".join(["", *(cell.replace("|", r"\|") for cell in cells), ""]).strip())
        for drawn, command in dict.fromkeys((claim.picture, claim.command) for claim in section):
            if drawn not in shown:
                lines += ["", f"![{command}](claims/{drawn})"]
                shown.add(drawn)
        lines.append("")
        first = last + 1
    return "\n".join(lines).rstrip() + "\n"


def draw(command: str, out: Path) -> None:
    """Runs an example in this process, without its words; its picture gets a palette, which is a third of the size."""
    from PIL import Image  # comes with matplotlib

    _, script, *arguments = shlex.split(command)
    with contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module(Path(script).stem).main([*arguments, "--out", str(out)])
    small = io.BytesIO()
    Image.open(out).convert("RGB").quantize(256).save(small, "png", optimize=True)
    write_whole(out, small.getvalue())


def main(arguments: Sequence[str] | None = None) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the root in 1/√n is a ? on a terminal that knows only ASCII, not an error
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", type=positive_integer, metavar="NUMBER", help=f"only these, of 1 to {COUNT}")
    chosen = parser.parse_args(arguments).numbers
    if max(chosen, default=1) > COUNT:
        parser.error(f"there are {COUNT} claims, got {max(chosen)}")
    claims = [claim for claim in collect() if not chosen or claim.number in chosen]
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
    if chosen:
        return
    (DOCS / "claims").mkdir(exist_ok=True)
    for drawn, command in progress(dict.fromkeys((claim.picture, claim.command) for claim in claims), desc="pictures"):
        draw(command, DOCS / "claims" / drawn)
    for name in PAGES:
        write_whole(DOCS / name, page(name, claims, results))
    print(f"\nWritten: {', '.join(PAGES)} and the pictures, in {DOCS}")


if __name__ == "__main__":
    main()
