"""The environments that scripts/installations.py tries: each way of installing Volatility and ours.

Everything happens in one folder, with a home of its own: nothing of the user's is read or changed.  Packages come from
PyPI once; Volatility's checkout is its source distribution.  Linux and macOS.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from compileall import compile_dir
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
SYMBOLS = ROOT / "samples" / "symbols"
VOLATILITY = "volatility3==2.28.2"
DEPENDENCIES = (
    "numpy", "construct", "pefile", "iced-x86", "click", "libfwnt-python", "lz4", "tomli", "setuptools", "wheel",
)  # fmt: skip
"""Of Volatility and of ours, and what builds a checkout of Volatility."""
PROCESS = ("--pid", "5212")
TIMEOUT = 300.0


class CommandError(Exception):
    """A command failed; the message is its last line."""


class UnreachableError(CommandError):
    """PyPI does not answer."""


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
    """Fetch and build what the environments are made from, unless the folder has it already.

    Raises:
        UnreachableError: PyPI cannot be reached.
        CommandError: our wheel cannot be built.
    """
    wheels, sources, dependencies = folder / "wheels", folder / "sources", folder / "dependencies"
    ours, first = folder / "ours", folder / "first"
    if not first.exists():
        try:
            _fetch(wheels, sources, dependencies)
        except CommandError as error:
            raise UnreachableError(str(error)) from None
        run(*pip("wheel", "--no-deps", "--wheel-dir", ours, ROOT))
        as_first(next(ours.glob("*.whl")), first)
    checkout = next(path for path in sources.iterdir() if path.is_dir())
    return Kit(wheels, dependencies, checkout, next(ours.glob("*.whl")), next(first.glob("*.whl")), folder / "pipx")


def _fetch(wheels: Path, sources: Path, dependencies: Path) -> None:
    """What comes from PyPI."""
    run(*pip("download", "--dest", wheels, VOLATILITY, *DEPENDENCIES))
    for path in wheels.glob("*.whl"):
        if not path.name.startswith("volatility3-"):
            with zipfile.ZipFile(path) as packed:
                packed.extractall(dependencies)  # noqa: S202  # pip has checked them against PyPI's hashes
    building = os.environ | {"PYTHONPATH": str(dependencies)}  # setuptools, so that pip need not fetch it again
    fetching = ("download", "--dest", sources, "--no-deps", "--no-build-isolation", "--no-binary", "volatility3")
    run(*pip(*fetching, VOLATILITY), variables=building)
    with tarfile.open(next(sources.glob("*.tar.gz"))) as source:
        source.extractall(sources)  # noqa: S202  # likewise
    compile_dir(sources, quiet=2)  # once, for all copies


def as_first(wheel: Path, folder: Path) -> None:
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
    vol = (str(place.python), "-c", "import sys; sys.argv[0] = 'vol'; from volatility3.cli import main; main()")
    return replace(place, vol=vol, variables={"PYTHONPATH": str(kit.checkout)})


def by_program(kit: Kit, folder: Path) -> Place:
    """`python vol.py` in a checkout."""
    place = _installed(kit, folder)
    return replace(place, vol=(str(place.python), str(kit.checkout / "vol.py")), cwd=kit.checkout)


def _user_site(kit: Kit, folder: Path, python: Path, program: Path, *volatility: str) -> Place:
    """Ours by `pip install --user` of this Python; Volatility with these options of pip."""
    base = folder / "user"
    variables = {
        "PYTHONUSERBASE": str(base),
        "PIP_BREAK_SYSTEM_PACKAGES": "1",
    }  # the system is not touched: the base is
    code = "import site; print(site.getusersitepackages())"
    site = Path(run(python, "-c", code, variables=os.environ | variables).strip())
    site.mkdir(parents=True)
    (site / "dependencies.pth").write_text(f"{kit.dependencies}\n", "utf-8")
    command = pip("--python", python, "install", "--no-index", "--find-links", kit.wheels)
    uninstall = pip("--python", _outer_python(), "uninstall", "--yes", "process-anatomy")
    return Place(
        folder, python, site, (str(python), str(program)), base / "bin" / "anatomy", (*command, "--user", "--upgrade"),
        uninstall, (*command, *volatility, VOLATILITY), folder, variables,
    )  # fmt: skip


def _outer_python() -> Path:
    """The Python that virtual environments are made of; only it takes away what lies in a user's site."""
    return Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")


def user_site(kit: Kit, folder: Path) -> Place:
    """Both by `pip install --user`."""
    program = folder / "user" / "bin" / "vol"
    return _user_site(kit, folder, _outer_python(), program, "--user", "--ignore-installed")


def system_and_user_site(kit: Kit, folder: Path) -> Place:
    """Volatility for all users, ours by `pip install --user`."""
    python, _ = _venv(kit, folder, "--system-site-packages")  # stands for the system's Python
    return _user_site(kit, folder, python, python.with_name("vol"))


def by_pipx(kit: Kit, folder: Path) -> Place:
    """`pipx install volatility3`, and ours by `pipx inject`."""
    if not kit.pipx.exists():
        run(*pip("install", "--target", kit.pipx, "pipx"))
        run(*pip("download", "--dest", kit.wheels, "pip"))  # pipx keeps one of its own
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


Way = Callable[[Kit, Path], Place]
WAYS: tuple[Way, ...] = (
    from_wheel, editable, editable_by_path, by_python_path, by_program, user_site, system_and_user_site, by_pipx,
)  # fmt: skip
