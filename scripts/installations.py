"""Install Volatility and our wheel in the ways that people do, and see that every `vol` goes on working.

    python scripts/installations.py            # the whole matrix, a Markdown table; status 1 if a cell fails
    python scripts/installations.py --quick    # what the tests run: from a wheel and from a checkout
    python scripts/installations.py --write    # put the table into docs/installation.md, with the date

Everything happens in temporary folders, with a home of its own: nothing of the user's is read or changed.  Packages
come from PyPI once; Volatility's checkout is its source distribution.  Linux and macOS.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
SYMBOLS = ROOT / "samples" / "symbols"
PAGE = ROOT / "docs" / "installation.md"
TABLE = re.compile(r"<!-- installations -->\n.*?<!-- end of installations -->\n", re.DOTALL)
VOLATILITY = "volatility3==2.28.2"
DEPENDENCIES = ("numpy", "construct", "pefile", "tomli", "setuptools", "wheel")
"""Of Volatility and of ours, and what builds a checkout of Volatility."""
PROCESS = ("--pid", "5212")
PROGRAM = "notepad.exe"
ORIGIN = "import volatility3; print(volatility3.__file__, list(volatility3.__path__))"
TIMEOUT = 300.0


class CommandError(Exception):
    """A command failed; the message is its last line."""


@dataclass(frozen=True, slots=True)
class Kit:
    """What all environments are made from.

    Attributes:
        wheels: a folder with the wheels of Volatility and of everything that it and ours need.
        dependencies: the same without Volatility, unpacked, so that environments need no copies.
        checkout: Volatility's source tree.
        ours: our wheel.
        first: our wheel with the plugins in ``volatility3/``, as they lay in the first ones.
        pipx: where pipx is unpacked; empty until it is needed.
    """

    wheels: Path
    dependencies: Path
    checkout: Path
    ours: Path
    first: Path
    pipx: Path


@dataclass(frozen=True, slots=True)
class Place:
    """An environment that Volatility and ours are installed in.

    Attributes:
        folder: all of it.
        python: its Python.
        site: where ours is installed.
        vol: the command that runs Volatility.
        anatomy: our command.
        install: the command that installs the wheel that follows.
        uninstall: the command that uninstalls ours.
        volatility: the command that installs Volatility; empty where it is not installed but run from its checkout.
        cwd: where programs are run.
        variables: what programs see of the environment beside the common.
    """

    folder: Path
    python: Path
    site: Path
    vol: tuple[str, ...]
    anatomy: Path
    install: tuple[str, ...]
    uninstall: tuple[str, ...]
    volatility: tuple[str, ...]
    cwd: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *command: str | Path) -> str:
        """Standard output of a command.

        Raises:
            CommandError: it failed.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP", "XDG"))}
        return run(*command, cwd=self.cwd, variables=kept | {"HOME": str(self.folder)} | dict(self.variables))

    def analyse(self, plugin: str, *options: str | Path) -> str:
        """What a plugin says of the sample."""
        symbols = self.folder / "symbols"  # a copy: Volatility deletes a table that it takes for missing
        if not symbols.exists():
            shutil.copytree(SYMBOLS, symbols)
        given = ("-q", "--offline", "-s", symbols, *options)
        return self.run(*self.vol, *given, "-f", SAMPLE, plugin, *PROCESS)


def run(*command: str | Path, cwd: Path | None = None, variables: Mapping[str, str] | None = None) -> str:
    """Standard output of a command.

    Raises:
        CommandError: it failed.
    """
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=TIMEOUT, cwd=cwd, env=variables, check=False
    )
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no words").splitlines()
        raise CommandError(f"{Path(command[0]).name}: {lines[-1]}")
    return done.stdout


def pip(*arguments: str | Path) -> tuple[str, ...]:
    """A command of the pip that runs beside this script."""
    return (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, arguments))


def prepare(folder: Path) -> Kit:
    """Fetch and build what the environments are made from.

    Raises:
        CommandError: PyPI cannot be reached, or something cannot be built.
    """
    wheels, sources, dependencies = folder / "wheels", folder / "sources", folder / "dependencies"
    run(*pip("download", "--dest", wheels, VOLATILITY, *DEPENDENCIES))
    run(*pip("download", "--dest", sources, "--no-deps", "--no-binary", "volatility3", VOLATILITY))
    offline = ("--no-index", "--find-links", wheels)
    run(*pip("install", "--target", dependencies, *offline, *DEPENDENCIES))
    with tarfile.open(next(sources.glob("*.tar.gz"))) as packed:
        packed.extractall(sources)  # noqa: S202  # PyPI's, which pip has just built its metadata from
    run(*pip("wheel", "--no-deps", "--wheel-dir", folder / "ours", ROOT))
    ours = next((folder / "ours").glob("*.whl"))
    checkout = next(path for path in sources.iterdir() if path.is_dir())
    return Kit(wheels, dependencies, checkout, ours, as_first(ours, folder / "first"), folder / "pipx")


def as_first(wheel: Path, folder: Path) -> Path:
    """The wheel as the first ones were: lower version, plugins in Volatility's folder, nothing at Python's start."""
    version = wheel.name.split("-")[1]
    folder.mkdir()
    path = folder / wheel.name.replace(version, "0.0.1")
    record = ""
    with zipfile.ZipFile(wheel) as taken, zipfile.ZipFile(path, "w") as made:
        for name in taken.namelist():
            if name.startswith("process_anatomy_startup.") or name.endswith("/RECORD"):
                continue
            data = taken.read(name)
            if name.endswith("/METADATA"):
                data = data.replace(f"\nVersion: {version}\n".encode(), b"\nVersion: 0.0.1\n", 1)
            new = name.replace("process_anatomy/plugins/", "volatility3/plugins/").replace(f"-{version}.", "-0.0.1.")
            made.writestr(new, data)
            record += f"{new},,\n"
        made.writestr("process_anatomy-0.0.1.dist-info/RECORD", record)
    return path


def _venv(kit: Kit, folder: Path, *options: str) -> tuple[Path, Path]:
    """A virtual environment that sees the dependencies; its Python and the folder that packages go to."""
    run(sys.executable, "-m", "venv", "--without-pip", *options, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "dependencies.pth").write_text(f"{kit.dependencies}\n", "utf-8")
    return python, site


def _installed(kit: Kit, folder: Path, *volatility: str | Path) -> Place:
    """Volatility and ours by pip in one virtual environment."""
    python, site = _venv(kit, folder)
    command = pip("--python", python, "install", "--no-index", "--find-links", kit.wheels)
    return Place(
        folder, python, site, (str(python.with_name("vol")),), python.with_name("anatomy"),
        (*command, "--upgrade"), pip("--python", python, "uninstall", "--yes", "process-anatomy"),
        (*command, *map(str, volatility)) if volatility else (), folder,
    )  # fmt: skip


def from_wheel(kit: Kit, folder: Path) -> Place:
    """`pip install volatility3`."""
    return _installed(kit, folder, VOLATILITY)


def editable(kit: Kit, folder: Path, *options: str) -> Place:
    """`pip install -e` of a checkout, which a hook of setuptools makes importable."""
    checkout = Path(shutil.copytree(kit.checkout, folder / "checkout"))
    return _installed(kit, folder, "--no-build-isolation", *options, "-e", checkout)


def editable_by_path(kit: Kit, folder: Path) -> Place:
    """`pip install -e` of a checkout, in the older way: a line with its folder in a .pth file."""
    return editable(kit, folder, "--config-settings", "editable_mode=compat")


def by_python_path(kit: Kit, folder: Path) -> Place:
    """A checkout that PYTHONPATH names."""
    place = _installed(kit, folder)
    variables = {"PYTHONPATH": str(kit.checkout)}
    vol = (str(place.python), "-m", "volatility3.cli")
    return Place(
        folder, place.python, place.site, vol, place.anatomy, place.install, place.uninstall, (), folder, variables
    )


def by_program(kit: Kit, folder: Path) -> Place:
    """`python vol.py` in a checkout."""
    place = _installed(kit, folder)
    vol = (str(place.python), str(kit.checkout / "vol.py"))
    return Place(folder, place.python, place.site, vol, place.anatomy, place.install, place.uninstall, (), kit.checkout)


def _user_site(kit: Kit, folder: Path, *volatility: str) -> Place:
    """Ours by `pip install --user`; Volatility with these options of pip."""
    python, _ = _venv(kit, folder, "--system-site-packages")
    base = folder / "user"
    variables = {"PYTHONUSERBASE": str(base)}
    asked = os.environ | variables
    site = Path(run(python, "-c", "import site; print(site.getusersitepackages())", variables=asked).strip())
    command = pip("--python", python, "install", "--no-index", "--find-links", kit.wheels)
    vol = base / "bin" / "vol" if volatility else python.with_name("vol")
    return Place(
        folder, python, site, (str(python), str(vol)), base / "bin" / "anatomy", (*command, "--user", "--upgrade"),
        pip("--python", python, "uninstall", "--yes", "process-anatomy"), (*command, *volatility, VOLATILITY), folder,
        variables,
    )  # fmt: skip


def user_site(kit: Kit, folder: Path) -> Place:
    """Both by `pip install --user`."""
    return _user_site(kit, folder, "--user", "--ignore-installed")


def system_and_user_site(kit: Kit, folder: Path) -> Place:
    """Volatility for all users, ours by `pip install --user`."""
    return _user_site(kit, folder)


def by_pipx(kit: Kit, folder: Path) -> Place:
    """`pipx install volatility3`, and ours by `pipx inject`."""
    if not kit.pipx.exists():
        run(*pip("install", "--target", kit.pipx, "pipx"))
    home = folder / "pipx"
    variables = {"PIPX_HOME": str(home), "PIPX_BIN_DIR": str(folder / "bin"), "PYTHONPATH": str(kit.pipx)}
    program = ("env", *(f"{name}={value}" for name, value in variables.items()), sys.executable, "-m", "pipx")
    offline = f"--pip-args=--no-index --find-links {kit.wheels}"
    python = home / "venvs" / "volatility3" / "bin" / "python"
    site = python.parent.parent / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    return Place(
        folder, python, site, (str(folder / "bin" / "vol"),), python.with_name("anatomy"),
        (*program, "inject", offline, "volatility3"), (*program, "uninject", "volatility3", "process-anatomy"),
        (*program, "install", offline, VOLATILITY), folder,
    )  # fmt: skip


WAYS: tuple[Callable[[Kit, Path], Place], ...] = (
    from_wheel, editable, editable_by_path, by_python_path, by_program, user_site, system_and_user_site, by_pipx,
)  # fmt: skip
LATER, EARLIER, UPGRADED = "after Volatility", "before Volatility", "over the first wheel"
CASES = (
    *((way, LATER) for way in WAYS),
    *((way, EARLIER) for way in (from_wheel, editable, editable_by_path, user_site)),
    *((way, UPGRADED) for way in (from_wheel, editable)),
)
QUICK = tuple((way, order) for way, order in CASES if way in (from_wheel, editable))
HEADINGS = ("Volatility", "ours", "`import`", "`vol -h`", "stock plugin", "ours, plain `vol`", '`-p "$(anatomy plugins)"`',
            "ours uninstalled")  # fmt: skip


def examine(kit: Kit, folder: Path, way: Callable[[Kit, Path], Place], order: str) -> dict[str, str]:
    """Install in this way and order, look, uninstall ours, look again.

    Returns:
        Heading of the table to what is wrong, empty where nothing is.
    """
    place = way(kit, folder)
    wrong = dict.fromkeys(HEADINGS[2:], "")
    if order == EARLIER:
        place.run(*place.install, kit.ours)
    if place.volatility:
        place.run(*place.volatility)
    before = place.run(place.python, "-c", ORIGIN) if order != EARLIER else None
    if order == UPGRADED:
        place.run(*place.install, kit.first)
    if order != EARLIER:
        place.run(*place.install, kit.ours)
    with_ours = place.run(place.python, "-c", ORIGIN)
    if before not in (None, with_ours):
        wrong["`import`"] = f"{before} became {with_ours}"
    for heading, checks in (("`import`", _of_environment), *zip(HEADINGS[3:7], SEEN, strict=True)):
        wrong[heading] = wrong[heading] or "; ".join(_tried(checks, place))
    place.run(*place.uninstall)
    gone = [f"{path} is left" for path in leftovers(place.site)]
    if place.run(place.python, "-c", ORIGIN) != (before or with_ours):
        gone.append("another Volatility is imported")
    wrong["ours uninstalled"] = "; ".join([*gone, *_tried(_start, place), *_tried(_stock, place)])
    return wrong


def _tried(check: Callable[[Place], str], place: Place) -> Iterator[str]:
    """What the check finds wrong, at most one thing."""
    try:
        found = check(place)
    except CommandError as error:
        found = str(error)
    if found:
        yield found


def _of_environment(place: Place) -> str:
    """The Volatility that is imported is the one that the way of installing means, not a folder without a program."""
    return "" if "None" not in place.run(place.python, "-c", ORIGIN).split() else "volatility3 has no file"


def _start(place: Place) -> str:
    return "" if "windows.pslist" in place.run(*place.vol, "-h") else "it lists no stock plugins"


def _stock(place: Place) -> str:
    return "" if PROGRAM in place.analyse("windows.pslist") else "no rows"


def _plain(place: Place) -> str:
    return "" if PROGRAM in place.analyse("windows.anatomy.processes") else "no rows"


def _by_option(place: Place) -> str:
    folder = place.run(place.anatomy, "plugins").rstrip("\n")
    if not Path(folder, "windows", "anatomy").is_dir():
        return f"{folder} holds no plugins"
    return "" if PROGRAM in place.analyse("windows.anatomy.processes", "-p", folder) else "no rows"


SEEN = (_start, _stock, _plain, _by_option)


def leftovers(site: Path) -> list[Path]:
    """What lies in a folder of packages and is ours, and any folder that would hide Volatility."""
    ours = [path for path in site.iterdir() if "anatomy" in path.name or path.name == "structs"]
    hiding = site / "volatility3"
    return [*ours, *([hiding] if hiding.is_dir() and not (hiding / "__init__.py").is_file() else [])]


def row(way: Callable[[Kit, Path], Place], order: str, wrong: Mapping[str, str]) -> str:
    """A line of the table."""
    words = (way.__doc__ or "").split("\n")[0].rstrip(".")
    return "| " + " | ".join([words, order, *(fault or "yes" for fault in wrong.values())]) + " |"


def tabulate(cases: Sequence[tuple[Callable[[Kit, Path], Place], str]]) -> Iterator[tuple[str, bool]]:
    """The lines of the table, each with whether all is well in it."""
    yield "| " + " | ".join(HEADINGS) + " |", True
    yield "|" + "---|" * len(HEADINGS), True
    with tempfile.TemporaryDirectory(prefix="installations-") as made:
        kit = prepare(Path(made))
        for number, (way, order) in enumerate(cases):
            folder = Path(made) / str(number)
            folder.mkdir()
            try:
                wrong = examine(kit, folder, way, order)
            except CommandError as error:
                wrong = {heading: str(error) if heading == HEADINGS[2] else "not tried" for heading in HEADINGS[2:]}
            yield row(way, order, wrong), not any(wrong.values())
            shutil.rmtree(folder)


def main() -> int:
    """The command line."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    asked.add_argument("--quick", action="store_true", help="from a wheel and from a checkout only")
    asked.add_argument("--write", action="store_true", help="put the table into docs/installation.md")
    chosen = asked.parse_args()
    lines, well = [], True
    for line, good in tabulate(QUICK if chosen.quick else CASES):
        print(line, flush=True)
        lines.append(line)
        well &= good
    if chosen.write:
        version = sys.version.split()[0]
        said = f"{VOLATILITY.replace('==', ' ')}, Python {version}, {sys.platform}, {date.today().isoformat()}:"
        text = "\n".join(["<!-- installations -->", said, "", *lines, "<!-- end of installations -->", ""])
        PAGE.write_text(TABLE.sub(lambda _: text, PAGE.read_text("utf-8")), "utf-8")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
