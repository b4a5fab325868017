"""Every page that exists in English and in Chinese says the same in both: headings, tables, numbers, code, pictures, links.

The sentences cannot be compared. What can be is taken from each version as data, section by section, and must be equal.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(str(path.relative_to(ROOT)) for folder in (ROOT, ROOT / "docs") for path in folder.glob("*.zh-CN.md"))

CODE = re.compile(r"^```(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"  # (?!doctest:)(.*)")
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
# A number is compared as it is written, with its sign and all its digits, for 0.50 says more than 0.5. Only the commas
# between thousands are left out, since Chinese has none. Digits that belong to a name, as in float32 and W1, are no numbers:
# a sentence may repeat a name. (\w would not do, because Chinese characters count as letters there.)
NUMBER = re.compile(r"(?:(?<![A-Za-z0-9_.)\]])[-+])?(?<![A-Za-z0-9_.])\d*\.?\d+(?:e[-+]?\d+)?")


def english(page):
    return page.replace(".zh-CN.md", ".md")


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def numbers(text):
    return Counter(NUMBER.findall(re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)))


def names(text):
    return re.findall(r"`[^`]+`", text)


def targets(text, page):
    """Where links and pictures lead, as the Chinese version must have them; without the link to the other language."""
    found = [target for target in LINK.findall(text) if english(target) != Path(english(page)).name]
    if page == english(page):
        folder = (ROOT / page).parent
        chinese = [re.sub(r"(\.\w+)$", r".zh-CN\1", target) for target in found]
        found = [zh if (folder / zh).exists() else en for zh, en in zip(chinese, found, strict=True)]
    return Counter(found)


def sections(text, page):
    """For each section what both languages have in common, by name; the comments in code are translated, and count as text."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    code = [(kind, COMMENT.sub("", block)) for kind, block in CODE.findall(text)]
    text = CODE.sub(lambda block: "\n".join(["CODE", *COMMENT.findall(block[2])]), text)
    found = []
    for section in re.split(r"^(?=#+ )", text, flags=re.MULTILINE)[1:]:
        lines = section.splitlines()
        rows = [line for line in lines if line.startswith("|")]
        prose = "\n".join(line for line in lines if not line.startswith("|"))
        blocks, code = code[: section.count("CODE\n")], code[section.count("CODE\n") :]
        found.append(
            {
                "level of the heading": len(section) - len(section.lstrip("#")),
                "items of lists": sum(line.startswith("- ") for line in lines),
                "cells of the rows": [row.count("|") for row in rows],
                "code": blocks,
                "names": set(names(prose)),
                "numbers": numbers(prose),
                "links and pictures": targets(prose, page),
                **{f"names in row {i}": Counter(names(row)) for i, row in enumerate(rows)},
                **{f"numbers in row {i}": numbers(row) for i, row in enumerate(rows)},
                **{f"links in row {i}": targets(row, page) for i, row in enumerate(rows)},
            }
        )
    return found


def differences(page, chinese):
    """Where a Chinese text differs from the English version of its page: (number of the section, what, English, Chinese).

    Of numbers, links and names it is those that one version has more often than the other.
    """
    ours, theirs = sections(read(english(page)), english(page)), sections(chinese, page)
    if len(ours) != len(theirs):
        return [("all", "number of headings", len(ours), len(theirs))]
    found = []
    for i, (en, zh) in enumerate(zip(ours, theirs, strict=True)):
        for what in en.keys() & zh.keys():  # where rows are missing, "cells of the rows" has it
            if en[what] != zh[what]:
                counted = isinstance(en[what], Counter | set)
                more, less = (en[what] - zh[what], zh[what] - en[what]) if counted else (en[what], zh[what])
                found.append((i, what, more, less))
    return sorted(found, key=str)


def test_these_pages_are_in_both_languages():
    assert [english(page) for page in PAGES] == [
        "README.md",
        *(f"docs/{name}.md" for name in ("claims", "flow", "gallery", "initializers", "source", "teaching", "tour", "usage")),
    ]


@pytest.mark.parametrize("page", PAGES)
def test_both_versions_say_the_same(page):
    found = differences(page, read(page))
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("page", PAGES)
def test_each_version_leads_to_the_other_in_its_first_section(page):
    for version, other in ((page, english(page)), (english(page), page)):
        first = re.split(r"^#+ ", read(version), maxsplit=2, flags=re.MULTILINE)[1]
        assert f"]({Path(other).name})" in first


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("0.9020", "0.9021", ["numbers in row 5"]),
        ("-1.8995 · (0.2153", "1.8995 · (0.2153", ["numbers in row 4"]),
        ("| L = (y - t)² | (-0.9497)² | 0.9020 |\n", "", ["cells of the rows"]),
        ("| h = tanh z | |", "| h = tanh z |", ["cells of the rows"]),
        ("| `tanh` |", "| tanh |", ["names in row 6"]),
        ("1.2247", "1.2248", ["numbers"]),
        ("## 3. ", "### 3. ", ["level of the heading"]),
        ("lr=0.1).step()", "lr=0.2).step()", ["code"]),
        ("](glossary.md)", "](kernels.md)", ["links and pictures"]),
        ("](initializers.zh-CN.md)", "](initializers.md)", ["links and pictures"]),
        ("`Tensor.backward`", "`Tensor.forward`", ["names"]),
    ],
)
def test_a_change_of_one_version_alone_is_found(old, new, what):
    changed = read("docs/tour.zh-CN.md").replace(old, new, 1)
    assert [name for _, name, _, _ in differences("docs/tour.zh-CN.md", changed)] == what


def test_a_section_that_only_one_version_has_is_found():
    longer = read("docs/tour.zh-CN.md") + "\n## 8. 其他\n"
    assert differences("docs/tour.zh-CN.md", longer) == [("all", "number of headings", 8, 9)]


def test_numbers_are_found_as_they_are_written():
    assert numbers("1,797 or 1797, x=-0.50, 1-8, .05, 3e-18, 第5节, float32, W1, 2^24, 10,000 (500, 400) N(0, 1)") == Counter(
        ["1797", "1797", "-0.50", "1", "8", ".05", "3e-18", "5", "2", "24", "10000", "500", "400", "0", "1"]
    )
