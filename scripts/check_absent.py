"""Refuse code that takes the truth of a fact that may be absent.

An absent fact is neither true nor false, and raises where it is asked.  mypy knows where a type holds one, but lets any
type be tested; this asks mypy for the types of everything that is tested (``if``, ``while``, ``assert``, ``not``,
``and``, ``or``, conditions of comprehensions, ``bool``, ``any``, ``all``), and names the places.

    python scripts/check_absent.py
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from mypy import build, nodes
from mypy.config_parser import parse_config_file
from mypy.find_sources import create_source_list
from mypy.options import Options
from mypy.types import Instance, TupleType, Type, UnionType, get_proper_type

ABSENT = "process_anatomy.absent.Absent"
PACKAGES = ("structs", "process_anatomy", "scripts", "benchmarks", "fuzz", "tests")
OF_ONE, OF_ITEMS = ("bool",), ("any", "all")
ELSEWHERE = frozenset({"node", "info", "var", "type", "names", "analyzed", "original_def", "unanalyzed_type"})
"""Attributes of mypy's nodes that lead out of the piece of text that a node stands for."""


def may_be_absent(kind: Type | None) -> bool:
    """Whether a value of a type may be an absent fact."""
    if kind is None:
        return False
    kind = get_proper_type(kind)
    if isinstance(kind, UnionType):
        return any(map(may_be_absent, kind.items))
    return isinstance(kind, Instance) and kind.type.fullname == ABSENT


def _holds_absent(kind: Type | None) -> bool:
    """Whether one of the values in a collection may be an absent fact."""
    if kind is None:
        return False
    kind = get_proper_type(kind)
    if isinstance(kind, UnionType):
        return any(map(_holds_absent, kind.items))
    if isinstance(kind, TupleType):
        return any(map(may_be_absent, kind.items))
    return isinstance(kind, Instance) and any(map(may_be_absent, kind.args[:1]))


def _parts(node: nodes.Node, known: dict[type, list[str]]) -> Iterator[nodes.Node]:
    """The nodes that a node is made of."""
    kind = type(node)
    if kind not in known:
        slot = type(vars(nodes.IfStmt)["expr"])
        known[kind] = [n for n in dir(kind) if n not in ELSEWHERE and isinstance(getattr(kind, n), slot)]
    pending = [getattr(node, name, None) for name in known[kind] if not name.startswith("_")]
    while pending:
        part = pending.pop()
        if isinstance(part, (list, tuple)):
            pending += part
        elif isinstance(part, nodes.Node) and not isinstance(part, (nodes.TypeInfo, nodes.Var)):
            yield part


def _tested(node: nodes.Node) -> list[nodes.Expression]:
    """The expressions whose truth a node takes."""
    if isinstance(node, nodes.IfStmt):
        return list(node.expr)
    if isinstance(node, (nodes.WhileStmt, nodes.AssertStmt)):
        return [node.expr]
    if isinstance(node, nodes.ConditionalExpr):
        return [node.cond]
    if isinstance(node, nodes.UnaryExpr) and node.op == "not":
        return [node.expr]
    if isinstance(node, nodes.OpExpr) and node.op in ("and", "or"):
        return [node.left]
    if isinstance(node, (nodes.GeneratorExpr, nodes.DictionaryComprehension)):
        return [condition for conditions in node.condlists for condition in conditions]
    return _arguments(node, OF_ONE)


def _arguments(node: nodes.Node, functions: tuple[str, ...]) -> list[nodes.Expression]:
    """The arguments of a call of one of these functions."""
    if not isinstance(node, nodes.CallExpr) or not isinstance(node.callee, nodes.NameExpr):
        return []
    return list(node.args) if node.callee.name in functions else []


def _wrong(tree: nodes.MypyFile, types: dict[nodes.Expression, Type]) -> Iterator[int]:
    """The lines of a file that take the truth of a fact that may be absent."""
    known: dict[type, list[str]] = {}
    pending: list[nodes.Node] = [tree]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        for expression in _tested(node):
            last = expression
            while isinstance(last, nodes.OpExpr) and last.op in ("and", "or"):
                last = last.right
            if may_be_absent(types.get(last)):
                yield last.line
        if any(_holds_absent(types.get(argument)) for argument in _arguments(node, OF_ITEMS)):
            yield node.line
        pending += _parts(node, known)


def wrong_places(paths: list[str], config: str = "pyproject.toml") -> list[str]:
    """The places in these files and folders where the truth of a fact is taken that may be absent.

    Raises:
        mypy.errors.CompileError: mypy cannot read a file.
    """
    options = Options()
    parse_config_file(options, lambda: None, config, sys.stdout, sys.stderr)
    options.export_types = options.preserve_asts = True
    options.incremental = False
    result = build.build(create_source_list(paths, options), options)
    roots = tuple(os.path.abspath(path) for path in paths)
    found = []
    for state in result.graph.values():
        path = os.path.abspath(state.path or "")
        if state.tree is not None and path.startswith(roots) and os.path.isfile(path):
            found += [f"{os.path.relpath(path)}:{line}" for line in sorted(set(_wrong(state.tree, result.types)))]
    return sorted(found)


def main() -> int:
    """Name the places; status 1 where there are any."""
    found = wrong_places(list(PACKAGES))
    for place in found:
        print(f"{place}: a fact that may be absent has no truth value; ask isinstance(x, Absent)")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
