"""Every structure of the published facts ships for `dt`, in one file that only it reads."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import zlib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structs.published import FILE, Published, packed, parsed, published, written
from tests.strategies import NAMES

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
FACTS = SHARED / "facts" / "layouts"
LARGEST = 3 << 20
needs_facts = pytest.mark.skipif(not FACTS.is_dir(), reason="the published facts are not at hand")
NAME = st.from_regex(r"_?[A-Za-z][A-Za-z0-9_.]{0,12}", fullmatch=True)
MEMBER = st.fixed_dictionaries(
    {"offset": st.integers(0, 1 << 16), "size": st.integers(0, 1 << 12), "type": NAME},
    optional={"bit": st.integers(0, 63)},
).map(lambda member: member | {"bits": 1} if "bit" in member else member)
STRUCTURE = st.fixed_dictionaries(
    {
        "size": st.integers(0, 1 << 16),
        "kind": st.sampled_from(["struct", "union"]),
        "fields": st.dictionaries(NAME, MEMBER),
    }
)


@lru_cache(maxsize=4)
def facts(name: str) -> dict[str, Any]:
    """Structures of a published layout: the inherited ones that it did not remove, and its own."""
    own = json.loads((FACTS / f"{name}.json").read_text())
    whole = dict(facts(own["inherits"].removesuffix(".json"))) if own.get("inherits") else {}
    for gone in own.get("removed", []):
        whole.pop(gone, None)
    return whole | own["structs"]


@needs_facts
@pytest.mark.parametrize("name", [*random.Random(7).sample(NAMES, 6), "x86-2600-5512", "x64-26100-1742"])
def test_what_ships_is_what_is_published_field_by_field(name: str) -> None:
    ours, theirs = published(name), facts(name)
    assert set(ours) == set(theirs)
    for structure, told in theirs.items():
        assert ours[structure]["size"] == told["size"], structure
        assert ours[structure]["fields"] == told["fields"], structure
        assert ours[structure]["kind"] == told["kind"][0] + "t" * bool(told.get("truncated")), structure


def test_each_layout_that_ships_has_its_structures_and_no_other_name_has_any() -> None:
    for name in NAMES:
        assert len(published(name)) > 150
        assert "_EPROCESS" in published(name)
    assert not published("x64-1-1")


def test_the_file_is_small_and_read_with_the_standard_library() -> None:
    data = files("structs").joinpath("offsets", FILE).read_bytes()
    assert len(data) < LARGEST // 10
    assert zlib.decompress(data).startswith(b"x64-10240-16384 ")


def test_no_other_view_reads_the_file() -> None:
    """Processes, tokens and the layouts themselves are had without it."""
    ask = (
        "import sys\nfrom process_anatomy import open_image\n"
        "image = open_image('samples/lab-win11-22621.dmp')\n"
        "for name in ('processes', 'tokens', 'vads'): list(image.view(name))\n"
        "loaded = sys.modules.get('structs.published')\n"
        "assert loaded is None or not loaded._file.cache_info().currsize\n"
        "list(image.view('dt'))\n"
        "assert sys.modules['structs.published']._file.cache_info().currsize == 1\n"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.just("x64-1-1") | st.just("x64-2-1"), st.dictionaries(NAME, STRUCTURE, max_size=5)))
def test_what_is_packed_is_unpacked(layouts: dict[str, dict[str, Any]]) -> None:
    text = zlib.decompress(packed(layouts))
    heads, _, body = text.partition(b"\n\n") if layouts else (b"", b"", b"")
    lines = body.splitlines()
    for head in heads.decode().splitlines():
        name, *numbers = head.split()
        found = Published([lines[int(at)] for at in numbers])
        assert {each: found[each]["fields"] for each in found} == {k: v["fields"] for k, v in layouts[name].items()}


@given(NAME, STRUCTURE)
def test_a_structures_line_says_all_of_it(name: str, structure: dict[str, Any]) -> None:
    found = parsed(written(name, structure).encode())
    assert (found["size"], found["fields"], found["kind"]) == (
        structure["size"],
        structure["fields"],
        structure["kind"][0],
    )
