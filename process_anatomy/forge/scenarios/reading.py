"""Reading scenarios: TOML in, checked records out; what is wrong is told with file, line and what is allowed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from process_anatomy.errors import ScenarioError
from process_anatomy.forge.scenarios.checked import Table, nearest, one_of
from process_anatomy.forge.scenarios.declared import (
    ADMINISTRATOR,
    LAUNCHER,
    MANAGED,
    SERVICES,
    SHELL,
    STANDARD,
    Declared,
    Entry,
    Group,
    Machine,
    Source,
    Use,
    User,
)
from process_anatomy.forge.scenarios.lines import Place, lines_of
from process_anatomy.forge.scenarios.parameters import check_given
from process_anatomy.forge.scenarios.stage import RESERVED
from process_anatomy.forge.scenarios.traces import TRACES

ENDING = ".toml"
LISTS = "names"
"""The file of lists, which is no scenario."""
MOST_BUILD = 1 << 16
TOP = ("title", "about", "extends", "first_build", "last_build", "machine", "users", "services", "programs", "traces",
       "lists", "words")  # fmt: skip
MACHINE = ("memory", "hosts", "domain", "uptime_hours", "compressed", "paged", "old_pages")
USER = ("key", "names", "kind")
GROUP = ("key", "from", "count", "threads", "pid", "ended")
PROGRAM = (*GROUP, "user", "as", "parent", "compiles", "wow64")
ENTRY = ("path", "arguments", "service", "account", "first_build", "protection", "reads_lsass")
TOKENS = ("limited", "full", "managed-administrator", "low-box", "sandboxed", "renderer", "accessibility",
          "virtualized", "installer", "system", "local-service", "network-service")  # fmt: skip
"""Kinds of token that a program may have."""
ACCOUNTS = ("system", "local-service", "network-service")
MOST_THREADS, MOST_PID, MOST_HOURS = 16, 1 << 20, 10_000
DEEPEST = 8


def folder() -> Path:
    """Where the scenarios that ship lie: in the package, and in a checkout in ``samples/scenarios``."""
    shipped = Path(str(files("process_anatomy").joinpath("samples", "scenarios")))
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[3] / "samples" / "scenarios"


def available() -> dict[str, Path]:
    """The scenarios that ship, by name."""
    return {path.stem: path for path in sorted(folder().glob(f"*{ENDING}")) if path.stem != LISTS}


def scenario(name: str | Path) -> Declared:
    """A scenario, by the name of one that ships or by its file.

    Args:
        name: a name of :func:`available`, or a path that ends in ``.toml``.

    Raises:
        ScenarioError: there is none, or it is malformed; the message says where, and what is allowed.
    """
    known = available()
    written = str(name)
    if written in known:
        return _read(known[written], ())
    if not written.endswith(ENDING):
        raise ScenarioError(f"no scenario is called {written!r}{nearest(written, known)}; there are {one_of(known)}")
    return _read(Path(name), ())


def _parsed(path: Path) -> tuple[dict[str, Any], Mapping[Place, int]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        text = path.read_text("utf-8")
        return tomllib.loads(text), lines_of(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: it is no TOML: {error}") from None
    except UnicodeDecodeError:
        raise ScenarioError(f"{path}: it is no text in UTF-8") from None
    except OSError as error:
        raise ScenarioError(f"{path}: it cannot be read: {error.strerror}") from None


def _read(path: Path, above: tuple[Path, ...]) -> Declared:
    """One file, on top of what it extends."""
    values, lines = _parsed(path)
    top = Table(path, lines, (), values, TOP)
    base = _base(top, path, above)
    lists, words = _lists(top, base)
    machine = _machine(top, base.machine)
    users = _merged(base.users, [_user(table) for table in _tables(top, "users", USER)])
    groups = _merged(
        base.groups,
        [
            *(_group(table, True, lists) for table in _tables(top, "services", GROUP)),
            *(_group(table, False, lists) for table in _tables(top, "programs", PROGRAM)),
        ],
    )
    uses = tuple(_use(table) for table in _tables(top, "traces", None))
    title = top.text("title", "")
    if not title:
        raise top.source("title").error("a scenario needs a title")
    found = Declared(
        path.stem, Source(path, 1), title, top.text("about", ""),
        top.number("first_build", base.first, 0, MOST_BUILD), top.number("last_build", base.last, 0, MOST_BUILD),
        machine, users, groups, base.uses + uses, lists, words,
        top.source("first_build") if "first_build" in top.values else base.bounds or top.source("last_build"),
    )  # fmt: skip
    _check_names(found)
    return found


def _base(top: Table, path: Path, above: tuple[Path, ...]) -> Declared:
    """What a scenario begins with: another one, or nothing but the lists that ship."""
    if "extends" in top.values:
        name, known = top.text("extends"), available()
        beside = path.parent / (name + ENDING)
        plain = beside.name == name + ENDING and os.path.isfile(beside)  # no way to another folder
        target = beside if plain else known.get(name)
        if target is None or name == LISTS:
            raise top.source("extends").error(f"no scenario is called {name!r}{nearest(name, known)}; "
                                              f"there are {one_of(known)}")  # fmt: skip
        if target in (*above, path) or len(above) > DEEPEST:
            raise top.source("extends").error(f"{name} extends itself")
        return _read(target, (*above, path))
    shipped = folder() / f"{LISTS}{ENDING}"
    values, lines = _parsed(shipped)
    empty = Declared("", Source(shipped, 1), "", "", 0, 0, Machine(), (), (), ())
    lists, words = _lists(Table(shipped, lines, (), values, ("lists", "words")), empty)
    return replace(empty, lists=lists, words=words)


def _lists(top: Table, base: Declared) -> tuple[dict[str, tuple[Entry, ...]], dict[str, tuple[str, ...]]]:
    lists, words = dict(base.lists), dict(base.words)
    for name, entries in top.values.get("lists", {}).items():
        place = Table(top.file, top.lines, (*top.place, "lists"), top.values["lists"], None)
        if not isinstance(entries, list) or not entries:
            raise place.wrong(name, "an array of programs")
        lists[name] = tuple(_entry(place, name, each) for each in entries)
    said = Table(top.file, top.lines, (*top.place, "words"), top.values.get("words", {}), None)
    for name in said.values:
        words[name] = said.words(name)
    return lists, words


def _entry(table: Table, key: str, value: object) -> Entry:
    """A program of a list: its path, or a table."""
    if isinstance(value, str):
        value = {"path": value}
    if not isinstance(value, dict) or not value.get("path"):
        raise table.source(key).error(f"{key} has {value!r}; a program is a path, or a table with one")
    inside = Table(table.file, table.lines, (*table.place, key), value, ENTRY)
    return Entry(
        inside.text("path"), inside.text("arguments"), inside.text("service"),
        inside.text("account", choices=ACCOUNTS), inside.number("first_build", 0, 0, MOST_BUILD),
        inside.number("protection", 0, 0, 0xFF), inside.truth("reads_lsass"),
    )  # fmt: skip


def _tables(top: Table, key: str, known: tuple[str, ...] | None) -> list[Table]:
    value = top.values.get(key, [])
    if not isinstance(value, list):
        raise top.source(key).error(f"{key} is written as [[{key}]], once for each")
    return [Table(top.file, top.lines, (key, number), each, known) for number, each in enumerate(value)]


def _machine(top: Table, base: Machine) -> Machine:
    table = Table(top.file, top.lines, ("machine",), top.values.get("machine", {}), MACHINE)
    hosts = table.words("hosts")
    return Machine(
        table.size("memory", base.memory),
        (hosts if len(hosts) > 1 else hosts[0]) if hosts else base.hosts,
        table.truth("domain") if "domain" in table.values else base.domain,
        table.range("uptime_hours", base.uptime, 1, MOST_HOURS),
        table.share("compressed") or base.compressed,
        table.share("paged") or base.paged,
        table.share("old_pages") if "old_pages" in table.values else base.old_pages,
    )


def _user(table: Table) -> User:
    names = table.words("names") or ("people",)
    return User(
        _key(table), table.source(), names if len(names) > 1 else names[0],
        table.text("kind", ADMINISTRATOR, (ADMINISTRATOR, STANDARD, MANAGED)),
    )  # fmt: skip


def _key(table: Table) -> str:
    key = table.text("key")
    if not key:
        raise table.source().error(f"{table.what} needs a key, by which others name it")
    return key


def _group(table: Table, service: bool, lists: Mapping[str, tuple[Entry, ...]]) -> Group:
    value = table.values.get("from")
    if isinstance(value, str):
        if value not in lists:
            raise table.source("from").error(
                f"there is no list {value!r}{nearest(value, lists)}; there are {one_of(lists)}"
            )
        programs: str | tuple[Entry, ...] = value
    elif isinstance(value, list) and value:
        programs = tuple(_entry(table, "from", each) for each in value)
    else:
        raise table.source().error(f"{table.what} needs from: the name of a list, or an array of programs")
    count = table.range("count", (1, 1), 0)
    pid = table.number("pid", 0, 4, MOST_PID) if "pid" in table.values else None
    if pid is not None and (pid % 4 or not pid % RESERVED or count != (1, 1)):
        raise table.source("pid").error("pid must be a multiple of 4 and none of 1024, and its group have a count of 1")
    return Group(
        _key(table), table.source(), service, programs, count, table.text("user"),
        table.text("as", choices=TOKENS), table.text("parent", SERVICES if service else SHELL),
        table.range("threads", (1, 4), 1, MOST_THREADS), pid, table.truth("compiles"), table.truth("wow64"),
        table.truth("ended"),
    )  # fmt: skip


def _use(table: Table) -> Use:
    names = table.words("trace")
    if not names:
        raise table.source().error("[[traces]] needs trace: the name of one, or an array of names of which one is made")
    for name in names:
        if name not in TRACES:
            hint = nearest(name, TRACES)
            raise table.source("trace").error(f"there is no trace {name!r}{hint}; there are {one_of(TRACES)}")
    given = {key: value for key, value in table.values.items() if key != "trace"}
    use = Use(names, table.source(), given, {key: table.source(key) for key in given})
    for name in names:
        check_given(TRACES[name], use)
    return use


def _merged(base: tuple[Any, ...], own: list[Any]) -> tuple[Any, ...]:
    """What a scenario extends with its own: of the same key the own one, in its place."""
    seen: dict[str, Any] = {}
    for each in own:
        if each.key in seen:
            raise each.source.error(f"the key {each.key!r} is used twice, on line {seen[each.key].source.line} too")
        seen[each.key] = each
    kept = [seen.pop(each.key, each) for each in base]
    return (*kept, *seen.values())


def _check_names(found: Declared) -> None:
    """Whether the users and groups that are named are there."""
    if not found.users:
        raise found.source.error("somebody must be logged on: [[users]]")
    users, groups = {user.key for user in found.users}, {SHELL, *(group.key for group in found.groups)}
    for group in found.groups:
        if group.key in (SHELL, SERVICES, LAUNCHER):
            raise group.source.error(f"the key {group.key!r} stands for what every machine has; choose another")
        if group.user and group.user not in users:
            raise group.source.error(f"there is no user {group.user!r}; there are {one_of(users)}")
        parents = {SERVICES, LAUNCHER, *groups}
        if group.parent not in parents or group.parent == group.key:
            raise group.source.error(f"parent is {group.parent!r}; it may be {one_of(parents - {group.key})}")
    pids: dict[int, Group] = {}
    for group in found.groups:
        if group.pid is not None and pids.setdefault(group.pid, group) is not group:
            line = pids[group.pid].source.line
            raise group.source.error(f"process id {group.pid} is taken already, on line {line}")
    for use in found.uses:
        for key, known in (("in", groups), ("user", users), ("target", groups), ("started_by", groups),
                           ("parent", groups)):  # fmt: skip
            value = use.given.get(key)
            if value is not None and value not in known:
                raise use.places[key].error(f"{key} is {value!r}{nearest(value, known)}; it may be {one_of(known)}")
