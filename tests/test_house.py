"""No circle of imports, neither of files nor of folders; those for type checkers alone count too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

PACKAGES = ("structs", "process_anatomy")


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=False, cache_dir=None)


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    """The members of a circle, in order and the first again at the end; empty where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def files(graph: grimp.ImportGraph, house: str) -> dict[str, set[str]]:
    """Each module below a package to those that it imports."""
    inside = {name for name in graph.modules if f"{name}.".startswith(f"{house}.")}
    return {name: graph.find_modules_directly_imported_by(name) & inside for name in inside}


def folders(graph: grimp.ImportGraph, house: str) -> Iterator[dict[str, set[str]]]:
    """For each package, what is in it (packages as wholes) to what it imports of its neighbours."""
    imports = files(graph, house)
    for package in imports:
        inside = graph.find_children(package)

        def neighbour(name: str, package: str = package) -> str:
            return ".".join(name.split(".")[: package.count(".") + 2])

        found: dict[str, set[str]] = {name: set() for name in inside}
        for name, imported in imports.items():
            if neighbour(name) in inside:
                found[neighbour(name)] |= {neighbour(each) for each in imported} & inside - {neighbour(name)}
        yield found


@pytest.mark.parametrize("house", PACKAGES)
def test_no_files_import_one_another_in_a_circle(graph: grimp.ImportGraph, house: str) -> None:
    imports = files(graph, house)
    assert len(imports) > 10
    assert sum(map(len, imports.values())) > len(imports) / 2
    assert circle(imports) == []


@pytest.mark.parametrize("house", PACKAGES)
def test_no_folders_import_one_another_in_a_circle(graph: grimp.ImportGraph, house: str) -> None:
    found = [circle(imports) for imports in folders(graph, house)]
    assert found
    assert [each for each in found if each] == []


def test_a_circle_is_found() -> None:
    """What the tests above look with sees one of two and one of three, and none where there is none."""
    assert set(circle({"a": {"b"}, "b": {"a"}})) == {"a", "b"}
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
