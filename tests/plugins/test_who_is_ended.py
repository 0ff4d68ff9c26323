"""A plugin's error ends ``vol`` and nobody else: an interactive shell goes on, a program gets an exception."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from volatility3 import cli
from volatility3.cli.volshell.generic import NullFileHandler
from volatility3.framework import contexts, plugins
from volatility3.plugins.windows.anatomy import explain

from process_anatomy.volatility import PluginError
from tests.conftest import ROOT, environment

SAMPLE = ROOT / "samples" / "lab-win11-22621.dmp"
ASKED = """from volatility3.plugins.windows.anatomy import processes
dpo(processes.Processes, primary=self.config["primary"], pid=[999999])
print("still", "here")
"""


def test_an_interactive_shell_goes_on_after_a_plugins_error(tmp_path: Path) -> None:
    """The message is shown, and the next line is run."""
    program = shutil.which("volshell", path=str(Path(sys.executable).parent))
    assert program
    done = subprocess.run(
        [program, "-q", "--offline", "--cache-path", str(tmp_path), "-f", str(SAMPLE)],
        input=ASKED, capture_output=True, text=True, encoding="utf-8", timeout=300, env=environment(),
    )  # fmt: skip
    assert "still here" in done.stdout
    assert "no process has id 999999" in done.stdout + done.stderr


def failing(opener: Any) -> Any:
    """A plugin that is asked about nothing that there is."""
    context = contexts.Context()
    context.config["plugins.Explain.about"] = "xyzzy"
    return plugins.construct_plugin(context, [], explain.Explain, "plugins", None, opener)


def test_whoever_is_not_vol_gets_an_exception_that_can_be_caught() -> None:
    """No SystemExit, with the one line as its message."""
    with pytest.raises(PluginError, match=r"^windows.anatomy.explain: nothing is about 'xyzzy'") as told:
        failing(NullFileHandler).run()
    assert not isinstance(told.value, SystemExit)


def test_vol_is_ended_with_the_one_line() -> None:
    """As a status that Python prints and turns into 1."""
    command = cli.CommandLine()
    command.output_dir = "."
    with pytest.raises(SystemExit) as told:
        failing(command.file_handler_class_factory()).run()
    assert isinstance(told.value, PluginError)
    assert str(told.value.code).startswith("windows.anatomy.explain: nothing is about 'xyzzy'")
