"""Markdown as Obsidian writes it, as tokens: markdown-it-py, its plugin for front matter, and what both lack.

Rules of ours: ``==marks==``, ``[[links|names]]``, ``![[embeds]]`` and ``%%comments%%``; and ``[links](addresses)``, for
the library's own rule takes minutes for brackets that none closes.  Tags of HTML are text.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any

from process_anatomy.notes.own.files import OwnNoteError

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

MARK, LINK, EMBED, COMMENT = "own_mark", "own_link", "own_embed", "own_comment"
"""Types of the tokens of our rules; a mark has one token at either end."""
TARGET = "own_target"
LINKED = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\s]{0,500}(?: \"[^\"\n]{0,200}\")?\)")
MARKS = re.compile(r"[*_`=]+")
LONGEST_LINK = 500
"""Characters between the brackets of a link."""
PACKAGES = "markdown-it-py and mdit-py-plugins"


def tokens(text: str) -> list[Token]:
    """The tokens of a note.

    Raises:
        OwnNoteError: what parses Markdown is not installed.
    """
    return _parser().parse(text)


@cache
def _parser() -> MarkdownIt:
    try:
        from markdown_it import MarkdownIt
        from mdit_py_plugins.front_matter import front_matter_plugin
    except ImportError:
        raise OwnNoteError(f"--note needs {PACKAGES}: pip install 'process-anatomy[note]'") from None
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable(["html_block"])
    parser.use(front_matter_plugin)
    parser.block.ruler.before("paragraph", COMMENT, _comment_block, {"alt": ["paragraph", "blockquote", "list"]})
    for name, rule in ((COMMENT, _comment), (MARK, _mark), (EMBED, _embed), (LINK, _link), (TARGET, _target)):
        parser.inline.ruler.before("link", name, rule)
    return parser.disable(["link", "image", "reference", "html_inline"])


def _comment_block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """``%%`` at the start of a line, up to the line in which it comes again; to the end where it does not."""
    start = state.bMarks[first] + state.tShift[first]
    line = state.src[start : state.eMarks[first]]
    if not line.startswith("%%") or "%%" in line[2:]:
        return False
    if silent:
        return True
    after = first + 1
    while after < last and "%%" not in state.src[state.bMarks[after] : state.eMarks[after]]:
        after += 1
    state.line = min(after + 1, last)
    token = state.push(COMMENT, "", 0)
    token.map = [first, state.line]
    return True


def _comment(state: StateInline, silent: bool) -> bool:
    """``%%`` within a paragraph, up to where it comes again."""
    if not state.src.startswith("%%", state.pos):
        return False
    end = state.src.find("%%", state.pos + 2)
    if end < 0:
        return False
    if not silent:
        state.push(COMMENT, "", 0)
    state.pos = end + 2
    return True


def _mark(state: StateInline, silent: bool) -> bool:
    """``==`` where a marked text begins or ends."""
    if not state.src.startswith("==", state.pos):
        return False
    env: MutableMapping[str, Any] = state.env
    open_in = env.get(MARK)
    closes = open_in is state.tokens
    if not closes:
        end = state.src.find("==", state.pos + 2, state.posMax)
        if end < 0 or state.src[state.pos + 2 : state.pos + 3].isspace() or end == state.pos + 2:
            return False
    if not silent:
        env[MARK] = None if closes else state.tokens
        state.push(MARK, "", 0)
    state.pos += 2
    return True


def _bracketed(state: StateInline, start: int) -> str | None:
    """What stands between ``[[`` and ``]]``; ``None`` where there are not both."""
    if not state.src.startswith("[[", start):
        return None
    end = state.src.find("]]", start + 2, min(start + 2 + LONGEST_LINK, state.posMax))
    inner = state.src[start + 2 : end] if end > 0 else ""
    return inner if inner.strip() and "\n" not in inner and "[" not in inner else None


def _embed(state: StateInline, silent: bool) -> bool:
    """``![[what|as]]``: another file, of which no word stands here."""
    inner = _bracketed(state, state.pos + 1) if state.src.startswith("![[", state.pos) else None
    if inner is None:
        return False
    if not silent:
        state.push(EMBED, "", 0).content = inner.partition("|")[0].strip()
    state.pos += len(inner) + 5
    return True


def _link(state: StateInline, silent: bool) -> bool:
    """``[[target|name]]``: reads as its name, as the target without its section where it has none."""
    inner = _bracketed(state, state.pos)
    if inner is None:
        return False
    if not silent:
        target, parted, name = inner.partition("|")
        page, _, section = target.partition("#")
        token = state.push(LINK, "", 0)
        token.content = (name if parted else page or section.lstrip("^#")).strip()
        token.meta = {"target": target.strip()}
    state.pos += len(inner) + 4
    return True


def _target(state: StateInline, silent: bool) -> bool:
    """``[words](address)`` or ``![words](picture)``: reads as its words."""
    found = LINKED.match(state.src, state.pos) if state.src[state.pos] in "![" else None
    if found is None:
        return False
    if not silent:
        state.push("text", "", 0).content = MARKS.sub("", found[1])
    state.pos = found.end()
    return True
