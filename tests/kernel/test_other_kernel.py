"""A symbol table of another kernel than the image's is told, with both named, whether it was used or not."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.kernel.choice import other_kernel
from process_anatomy.volatility import open_path
from tests.conftest import ROOT, Vol

SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
TABLE = next((ROOT / "samples").rglob("ntkrnlmp.pdb/*.json.xz"))
OTHER = "0123456789ABCDEF0123456789ABCDEF"


@pytest.fixture
def table() -> Any:
    """The sample's own symbol table."""
    return json.loads(lzma.decompress(TABLE.read_bytes()))


def written(table: Any, folder: Path) -> Path:
    """A symbol table as a user has it."""
    path = folder / "mine.json"
    path.write_text(json.dumps(table))
    return path


def of(table: Any) -> str:
    """GUID and age of the PDB that a table is of."""
    pdb = table["metadata"]["windows"]["pdb"]
    return f"{pdb['GUID'].upper()}-{pdb['age']}"


def test_the_table_of_this_very_kernel_is_used_without_a_word(table: Any, tmp_path: Path) -> None:
    """Its PDB is the one that the image names."""
    kernel = open_path(SAMPLE, isf=str(written(table, tmp_path)))
    assert kernel.build.name == "mine.json"
    assert kernel.build.pdb.endswith(of(table))
    assert kernel.doubts == ()


def test_a_table_that_fits_but_is_of_another_kernel_is_used_and_told(table: Any, tmp_path: Path) -> None:
    """The two may differ in what nobody checks."""
    own = of(table)
    table["metadata"]["windows"]["pdb"] |= {"GUID": OTHER, "age": 7}
    kernel = open_path(SAMPLE, isf=str(written(table, tmp_path)))
    assert kernel.build.name == "mine.json"
    (doubt,) = kernel.doubts
    assert f"{OTHER}-7" in doubt
    assert own in doubt
    assert doubt.endswith("where the two differ, what is told is wrong")


def test_a_table_that_does_not_fit_is_told_and_the_layout_that_is_used_instead(
    table: Any, vol: Vol, tmp_path: Path
) -> None:
    """In one warning that names both kernels, and the rows are all there."""
    own = of(table)
    table["metadata"]["windows"]["pdb"] |= {"GUID": OTHER, "age": 7}
    fields = table["user_types"]["_EPROCESS"]["fields"]
    pid, created = fields["UniqueProcessId"], fields["CreateTime"]
    pid["offset"], created["offset"] = created["offset"], pid["offset"]
    path = written(table, tmp_path)
    answer = vol("-r", "json", "-f", SAMPLE, "windows.anatomy.processes", "--isf", path)
    assert answer.status == 0
    assert len(answer.rows) == 29
    (told,) = [line for line in answer.err.splitlines() if "--isf" in line]
    assert f"{OTHER}-7" in told
    assert own in told
    assert "does not fit this image's kernel" in told
    assert "is used instead" in told


def test_a_table_that_names_no_pdb_is_told_only_where_it_is_not_used(table: Any, tmp_path: Path) -> None:
    """Nothing is known of its kernel, so nothing speaks against one that fits."""
    del table["metadata"]["windows"]
    kernel = open_path(SAMPLE, isf=str(written(table, tmp_path)))
    assert kernel.doubts == ()
    assert kernel.build.pdb == ""
    unused = open_path(SAMPLE)
    assert other_kernel(unused, kernel.build).startswith("--isf mine.json does not fit this image's kernel, ntkrnlmp")
