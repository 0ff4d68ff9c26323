"""What scenarios have beside the lab: hives of people, drivers, full pools; stock Volatility reads them."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from process_anatomy.forge import Image
from process_anatomy.forge.__main__ import write_all
from process_anatomy.forge.memory.frames import PAGE
from process_anatomy.forge.memory.pool import FREE, NEIGHBOURS
from process_anatomy.forge.scenarios import forge_scenario
from structs import builds
from structs.layout import Structure
from structs.object import POOL_HEADER

SHOWN = (1 << 48) - 1
Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Image, Path]:
    """A machine of several people, and its file."""
    image = forge_scenario("terminal-server", 5, "x64-20348-1129")
    return image, write_all(image, tmp_path_factory.mktemp("people"), "server")[0]


@pytest.fixture(scope="module")
def ask(vol: Callable[..., Any], made: tuple[Image, Path]) -> Ask:
    """Rows of a stock plugin about the image, those below others too."""

    def run(*arguments: str) -> list[dict[str, Any]]:
        path = made[1]
        answer = vol("-s", path.parent / "symbols", "-r", "json", "-f", path, *arguments)
        assert answer.status == 0, answer.err
        rows: list[dict[str, Any]] = json.loads(answer.out)
        return [each for row in rows for each in (row, *row["__children"])]

    return run


def offset(image: Image, ending: str) -> str:
    """Where the hive is whose file ends so, as a plugin takes it."""
    (hive,) = (h for h in image.truth["hives"] if h["file_user_name"].endswith(ending))
    return str(hive["address"] & SHOWN)


@pytest.mark.proves("stock", "x64-20348")
def test_everyone_who_is_logged_on_has_a_hive(made: tuple[Image, Path], ask: Ask) -> None:
    image = made[0]
    found = {row["Offset"]: row["FileFullPath"] for row in ask("windows.registry.hivelist")}
    assert found == {h["address"] & SHOWN: h["file_user_name"] or h["hive_root_path"] for h in image.truth["hives"]}
    people = image.truth["scenario"]["people"]
    assert {path for path in found.values() if path.endswith("ntuser.dat")} == {
        f"\\??\\C:\\Users\\{person['account']}\\ntuser.dat" for person in people
    }
    mapped = {h["hive_root_path"]: h["mapped_in_pid"] for h in image.truth["hives"]}
    assert all(mapped[f"\\REGISTRY\\USER\\{person['sid']}"] for person in people)


@pytest.mark.proves("stock", "x64-20348")
def test_userassist_counts_what_a_shell_started(made: tuple[Image, Path], ask: Ask) -> None:
    """With the time of the last start, which is that of the process that runs since."""
    processes = made[0].truth["processes"]
    shells = {p["pid"]: p["session"] for p in processes if p["image_file_name"] == "explorer.exe"}
    started = {p["image_file_name"]: p["create_time"] for p in processes if p["ppid"] in shells}
    rows = [row for row in ask("windows.registry.userassist") if row["Type"] == "Value"]
    assert {row["Name"].rpartition("\\")[2][:14] for row in rows} == {name[:14] for name in started}
    assert all(row["Count"] > 0 and row["Focus Count"] > 0 for row in rows)
    times = {p["create_time"].replace("Z", "+00:00") for p in processes if p["ppid"] in shells}
    assert {row["Last Updated"] for row in rows} <= times


@pytest.mark.proves("stock", "x64-20348")
def test_sam_names_the_accounts_of_the_machine(made: tuple[Image, Path], ask: Ask) -> None:
    """Each has a key by its number; who is of a domain is not among them."""
    key = "SAM\\Domains\\Account\\Users"
    rows = ask("windows.registry.printkey", "--offset", offset(made[0], "\\SAM"), "--key", key, "--recurse")
    keys = [row["Name"] for row in rows if row["Type"] == "Key"]
    numbers = {int(name, 16) for name in keys if name.startswith("0000")}
    people = made[0].truth["scenario"]["people"]
    computer = made[0].truth["scenario"]["computer"]
    local = {p["account"]: int(p["sid"].rpartition("-")[2]) for p in people if p["authority"] == computer}
    assert {"Administrator", "Guest", *local} < set(keys)
    assert {500, 501, *local.values()} < numbers
    assert not {p["account"] for p in people if p["authority"] != computer} & set(keys)


@pytest.mark.proves("stock", "x64-20348")
def test_security_has_the_sid_of_the_machine(made: tuple[Image, Path], ask: Ask) -> None:
    """In a value without a type, whose data stock Volatility does not print."""
    where = offset(made[0], "\\SECURITY")
    (value,) = ask("windows.registry.printkey", "--offset", where, "--key", "Policy\\PolAcDmS")
    assert (value["Name"], value["Type"]) == ("(Default)", "REG_NONE")
    numbers = [int(part) for part in made[0].truth["scenario"]["machine_sid"].split("-")[3:]]
    cell = struct.pack("<i", -32) + bytes((1, len(numbers), 0, 0, 0, 0, 0, 5)) + struct.pack("<4I", *numbers)
    assert any(cell in page for page in made[0].physical.values())


@pytest.mark.proves("stock", "x64-20348")
def test_drivers_are_listed_and_found_by_their_tag(made: tuple[Image, Path], ask: Ask) -> None:
    known = {m["base"] & SHOWN: (m["name"], m["path"], m["size"]) for m in made[0].truth["kernel_modules"]}
    assert len(known) > 60
    for plugin in ("windows.modules", "windows.modscan"):
        assert {row["Base"] & SHOWN: (row["Name"], row["Path"], row["Size"]) for row in ask(plugin)} == known


@pytest.mark.proves("stock", "x64-20348")
def test_searches_by_tag_find_the_objects_among_other_allocations(made: tuple[Image, Path], ask: Ask) -> None:
    """All of them, and nothing that is none."""
    processes = made[0].truth["processes"]
    assert {row["PID"] for row in ask("windows.psscan")} == {p["pid"] for p in processes}
    found = {row["TID"] for row in ask("windows.thrdscan")}
    assert found == {t["tid"] for p in processes for t in p["threads"]}


@pytest.mark.parametrize("build", ["x64-20348-1129", "x86-7601-24000", "x86-2600-5512"])
def test_the_blocks_of_a_page_lead_from_each_to_the_next_and_back(build: str) -> None:
    """From every object's block to the beginning of its page and to its end, with others' and freed ones between."""
    image = forge_scenario("office", 3, build)
    unit = 2 * builds.load(build).pointer_size
    header = builds.load(build)[POOL_HEADER]
    tags: Counter[bytes] = Counter()
    freed = 0
    for page in image.physical.values():
        if b"Proc" not in page and b"Pro\xe3" not in page:
            continue
        blocks = list(chain(header, page, unit))
        if not any(tag in (b"Proc", b"Pro\xe3") for tag, *_ in blocks):
            continue  # the letters stand in something else
        assert sum(size for _, size, _, _ in blocks) * unit == PAGE
        assert [before for *_, before in blocks] == [0, *(size for _, size, _, _ in blocks[:-1])]
        tags.update(tag for tag, *_ in blocks)
        freed += sum(kind == FREE for _, _, kind, _ in blocks)
    assert tags.keys() & {*NEIGHBOURS}
    assert freed


def chain(header: Structure, page: bytes, unit: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Tag, size, type and size of the block before, of each block of a page."""
    at = 0
    while at < PAGE:
        fields = {
            name: int.from_bytes(page[at + p.offset : at + p.offset + p.size], "little") >> (p.bit or 0)
            & (1 << (p.bits or 8 * p.size)) - 1
            for name, p in header.places.items()
        }  # fmt: skip
        tag, size = fields["PoolTag"].to_bytes(4, "little"), fields["BlockSize"]
        yield tag, size, fields["PoolType"], fields["PreviousSize"]
        if not size:
            return
        at += size * unit
