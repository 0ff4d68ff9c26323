"""Kernel files by the marks of their headers and by their PDBs."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from structs import builds, kernel_files


def test_every_known_file_is_named_by_its_stamp_and_by_its_pdb(shared: Path) -> None:
    """All of 64-bit Windows: version, file name and PDB as the facts have them."""
    with (shared / "facts" / "kernels.tsv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["arch"] == "x64"]
    assert len(rows) == 2620
    for row in rows:
        found = kernel_files.by_stamp(int(row["timestamp"], 16), int(row["size_of_image"], 16))
        assert found is not None
        told = (found.name, f"{found.build}.{found.revision}", found.pdb)
        assert told == (row["file"], row["version"], row["pdb"])
        assert found.five_levels is (row["file"] == "ntkrla57.exe")
        if row["pdb"]:
            guid, age = row["pdb"].split("-")
            by_pdb = kernel_files.by_pdb(guid, int(age))
            assert by_pdb is not None
            assert (by_pdb.timestamp, by_pdb.size) == (found.timestamp, found.size)


@pytest.mark.parametrize(("timestamp", "size"), [(0, 0), (0, 0x1046000), (0x54BE00CF, 0), (1 << 40, 1)])
def test_a_stamp_that_was_wiped_or_is_of_no_known_file_names_none(timestamp: int, size: int) -> None:
    """Both marks have to be right."""
    assert kernel_files.by_stamp(timestamp, size) is None


@pytest.mark.parametrize("guid", ["", "0" * 32, "\ufffd" * 32, "C68EE22FDCF6477895C54A862BE16567-1\t"])
def test_a_pdb_of_no_known_file_names_none(guid: str) -> None:
    """Whatever stands in the debug record."""
    assert kernel_files.by_pdb(guid, 1) is None


def test_a_windows_that_an_enablement_package_numbers_runs_the_files_of_another_build() -> None:
    """25H2 those of 24H2, 22H2 those of 2004, 1909 those of 1903; any other its own."""
    assert builds.of_kernel("x64", 26200) == 26100
    assert builds.of_kernel("x64", 19045) == 19041
    assert builds.of_kernel("x86", 18363) == 18362
    assert builds.of_kernel("x64", 28000) == 28000
    assert builds.of_kernel("arm64", 19045) == 19045


def test_a_file_whose_pdb_is_known_has_the_build_of_its_layout() -> None:
    """The two sources of facts agree on every PDB that both have."""
    compared = 0
    for name in builds.names():
        if not name.startswith("x64"):
            continue
        layout = builds.load(name)
        for guid, age in builds.published_pdbs(name):
            found = kernel_files.by_pdb(guid, age)
            if found is not None:
                assert builds.of_kernel("x64", found.build) == layout.number, (guid, str(found))
                compared += 1
    assert compared > 500
