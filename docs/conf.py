"""The site: what Sphinx makes of docs/, the README and the docstrings.

    pip install -e ".[docs]" && python -m sphinx -W docs build/site

Pages are Markdown, English and Chinese side by side; docstrings are numpydoc's. The explorer is copied as it is.
"""

import re
import shutil
from pathlib import Path

from sphinx.util.nodes import make_refnode

import minidl

ROOT = Path(__file__).parent.parent

project, author = "minidl", "the minidl authors"
release = version = minidl.__version__
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.viewcode"]
exclude_patterns = ["explore", "claims", "README.md"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a page may begin with what the README includes
autodoc_typehints = "none"  # numpydoc says the types
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # attributes are in the docstrings' own sections
default_role = "py:obj"
html_theme = "furo"
html_title = "minidl"
html_copy_source = False


def links_that_sphinx_can_follow(app, docname, source):
    """Folders and pages elsewhere become their names, source files downloads, the explorer a plain link; and the two first
    pages are the READMEs."""
    if readme := {"index": "README.md", "zh": "README.zh-CN.md"}.get(docname):
        text = (ROOT / readme).read_text(encoding="utf-8")
        # From docs/ the README's docs/tour.md is tour.md, and LICENSE is ../LICENSE.
        text = re.sub(r"\]\((?!https?:|#|docs/)", "](../", text).replace("](docs/", "](")
        source[0] = source[0].replace("README", text)

    def shown(match):
        text, target, anchor = match.groups(default="")
        if target.endswith("explore/index.html"):
            return f'<a href="explore/index.html">{text}</a>'
        page = {"../README.md": "index.md", "../README.zh-CN.md": "zh.md"}.get(target, target)
        path = ((Path(app.srcdir) / docname).parent / page).resolve()
        is_there = path.is_file() and (path.suffix != ".md" or path.is_relative_to(app.srcdir))
        return f"[{text}]({page}{anchor})" if is_there else text

    source[0] = re.sub(r"\[(!\[[^\]]*\]\([^)]*\))\]\((explore/index\.html)\)", r'<a href="\2">\1</a>', source[0])
    source[0] = re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]+)?\)", shown, source[0])


def copy_the_explorer(app, exception):
    if exception is None and app.builder.format == "html":
        (Path(app.outdir) / "explore").mkdir(exist_ok=True)
        shutil.copy(ROOT / "docs/explore/index.html", Path(app.outdir) / "explore/index.html")


def names_without_minidl(app, env, node, contnode):
    """Docstrings say `functional.elu` and `Linear`: the names as the reader of that file knows them."""
    python, target = env.get_domain("py"), node.get("reftarget", "")
    modules = [node.get("py:module") or "minidl", "minidl"]
    modules += [f"minidl.{part}" for part in ("nn", "functional", "init", "optim", "flow", "data")]
    for name in [f"{module}.{target}" for module in modules if target]:
        if name in python.objects:
            found = python.objects[name]
            return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, contnode, name)
    return None


def setup(app):
    app.connect("missing-reference", names_without_minidl)
    app.connect("source-read", links_that_sphinx_can_follow)
    app.connect("build-finished", copy_the_explorer)
