"""How Sphinx makes a site of these pages: `make docs`.

Pages are read where they lie in the repository, so that a link works there as it does in the site; a link to a file
that is no page (a test, the notebook) gives the file.  The menu is what docs/index.md lists, section by section,
so a page that it does not list fails the build.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "process-anatomy"
html_title = project
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "benchmarks/README.md", "[A-Z]*.md"]
exclude_patterns = [".*", "build", "dist", "plugins", "process_anatomy", "samples", "structs", "tests"]
myst_heading_anchors = 4
html_theme = "furo"
EXAMPLE = Path(__file__).resolve().parent.parent / "build" / "example"
html_extra_path = ["site", *map(str, EXAMPLE.parent.glob(EXAMPLE.name))]
html_copy_source = False
smartquotes = False  # two hyphens begin an option

LIVE = """
## A live example

<a href="../report-of-the-sample.html">The report of the sample</a>, as the command writes it.
"""
SECTION = re.compile(r"^## (?P<title>.+)\n(?P<body>(?:(?!## ).*\n)*)", re.MULTILINE)
PAGE = re.compile(r"\]\((?P<path>[^)#:]+)\.md\)")


def with_menu(text: str) -> str:
    """The page of all pages, with the lists of its sections as what Sphinx takes for a menu."""
    menu = ""
    for section in SECTION.finditer(text):
        pages = "\n".join(dict.fromkeys(PAGE.findall(section["body"])))
        menu += f"\n```{{toctree}}\n:hidden:\n:caption: {section['title']}\n\n{pages}\n```\n"
    return text + menu


def setup(app: Sphinx) -> None:
    """Put the menu into the first page while it is read; the README, the repository's first page, is in no menu."""

    def read(_: Sphinx, page: str, source: list[str]) -> None:
        if page == root_doc:
            source[0] = with_menu(source[0])
        elif page == "docs/report" and EXAMPLE.is_dir():
            source[0] += LIVE
        elif page == "README":
            source[0] = f"---\norphan: true\n---\n{source[0]}"

    app.connect("source-read", read)
