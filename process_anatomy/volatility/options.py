"""Options: what a plugin may be asked, and what the user meant by it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from typing import Any

from volatility3.framework import interfaces
from volatility3.framework.configuration import requirements

from process_anatomy.errors import RequestError
from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, TEXTS, Option
from process_anatomy.views.shown import safe_text
from process_anatomy.volatility.layers import ARCHITECTURES, local_path
from process_anatomy.volatility.terminal import on_command_line

LOCATION = "automagic.LayerStacker.single_location"
"""Where Volatility keeps what was given with ``-f``."""
STOCK_LAYER = "kernel.layer_name"
"""Where a stock plugin's saved configuration has the layer that ours have as their image."""


class ImageRequirement(requirements.TranslationLayerRequirement):
    """The image; says in one line what Volatility's own message leaves out when there is none, or it cannot be one.

    A configuration that a stock plugin saved is taken for ours.
    """

    def unsatisfied(
        self, context: interfaces.context.ContextInterface, config_path: str
    ) -> dict[str, interfaces.configuration.RequirementInterface]:
        """As every layer requirement.

        Raises:
            SystemExit: run by ``vol``: there is no image, or the file cannot be one (automagic swallows all but this).
        """
        path = interfaces.configuration.path_join(config_path, self.name)
        if context.config.get(path, None) is None and not dict(context.config.branch(path)):
            stock = context.config.branch(interfaces.configuration.path_join(config_path, STOCK_LAYER))
            context.config.splice(path, stock)
        missing: dict[str, interfaces.configuration.RequirementInterface] = super().unsatisfied(context, config_path)
        wrong = image_trouble(context, path) if missing and on_command_line() else ""
        if wrong:
            raise SystemExit(f"windows.anatomy: {safe_text(wrong)}")
        return missing


def image_trouble(context: interfaces.context.ContextInterface, path: str) -> str:
    """Why no image can be opened, as far as it can be told before it is tried; empty where it can.

    Args:
        context: Volatility's context.
        path: of the image in its configuration.
    """
    location = context.config.get(LOCATION, None)
    if location:
        return file_trouble(local_path(location))
    saved = dict(context.config.branch(path))
    if not saved:
        return "no image was given: say which with -f FILE"
    files = (local_path(value) for name, value in saved.items() if name.endswith("location"))
    gone = next((file for file in files if file and not os.path.exists(file)), "")
    return f"{gone}, which the configuration names, is not there" if gone else ""


def file_trouble(path: str) -> str:
    """Why a file cannot be opened as an image; empty where it can, and where there is none of that path."""
    if not path or not os.path.exists(path):
        return ""
    if os.path.isdir(path):
        return f"{path} is a directory, not a memory image"
    if not os.access(path, os.R_OK):
        return f"{path} may not be read"
    if not stat.S_ISREG(os.stat(path).st_mode) and not stat.S_ISBLK(os.stat(path).st_mode):
        return f"{path} is a pipe or a device, and memory is not read in order: save it to a file first"
    return ""


class GivenListRequirement(requirements.ListRequirement):
    """Several values of one option: after one another, comma separated, or the option repeated."""

    def unsatisfied(
        self, context: interfaces.context.ContextInterface, config_path: str
    ) -> dict[str, interfaces.configuration.RequirementInterface]:
        """Nothing: any list will do, and malformed values are told in one line when they are used."""
        path = interfaces.configuration.path_join(config_path, self.name)
        if context.config.get(path, None) is None:
            context.config[path] = []
        return {}


def process_ids(given: Sequence[str | int] | str | int | None) -> frozenset[int]:
    """The process ids that the user asked for.

    Raises:
        RequestError: one of them is no number.
    """
    if given is None:
        return frozenset()
    values = [given] if isinstance(given, (str, int)) else list(given)
    ids: set[int] = set()
    for value in repeated_option("--pid", values):
        for part in str(value).split(","):
            if not part.strip():
                continue
            try:
                ids.add(int(part, 0))
            except ValueError:
                raise RequestError(f"--pid takes process ids, not {safe_text(part)!r}") from None
    return frozenset(ids)


def names_given(option: str, given: Sequence[str] | str | None) -> frozenset[str]:
    """The names that the user gave an option: several after one, comma separated, or the option repeated."""
    if given is None:
        return frozenset()
    values: list[str | int] = [given] if isinstance(given, str) else list(given)
    parts = (part.strip() for value in repeated_option(option, values) for part in str(value).split(","))
    return frozenset(part for part in parts if part)


def repeated_option(option: str, given: list[str | int]) -> list[str | int]:
    """What an option was given altogether, where the command line repeats it.

    Volatility's parser keeps only the last use of an option; the earlier ones are taken from the command
    line, but only if its last use is the one that arrived here.
    """
    uses: list[list[str]] = []
    for word in sys.argv[1:]:
        name, equals, value = word.partition("=")
        if name == option:
            uses.append([value] if equals else [])
        elif uses and not word.startswith("-"):
            uses[-1].append(word)
        elif uses and word.startswith("-"):
            uses.append([])
    uses = [use for use in uses if use]
    if uses and uses[-1] == [str(value) for value in given]:
        return [value for use in uses for value in use]
    return given


def integer(option: str, given: str) -> int:
    """A number from an option, decimal or with 0x.

    Raises:
        RequestError: it is none.
    """
    try:
        return int(given, 0)
    except ValueError:
        raise RequestError(f"{option} takes a number, not {safe_text(given)!r}") from None


def explain_requirement() -> interfaces.configuration.RequirementInterface:
    """The option that says how much each row explains."""
    return requirements.ChoiceRequirement(
        name="explain",
        choices=["off", "brief", "full", "analogy"],
        default="brief",
        description="How much each row explains about itself",
        optional=True,
    )


def wide_requirement() -> interfaces.configuration.RequirementInterface:
    """The option that asks for all columns where a renderer shows some only."""
    return requirements.BooleanRequirement(
        name="wide",
        default=False,
        description="With -r notes: every column, not only those that tell most",
        optional=True,
    )


def note_requirement() -> interfaces.configuration.RequirementInterface:
    """The option that names the reader's own note."""
    return requirements.StringRequirement(
        name="note",
        description="Your own Markdown note, or a folder of such: its words in place of ours",
        optional=True,
    )


def pid_requirement() -> interfaces.configuration.RequirementInterface:
    """The option that names processes."""
    return GivenListRequirement(
        name="pid", element_type=str, description="Process ids to show: 4,88 or repeated", optional=True
    )


def image_requirements() -> list[interfaces.configuration.RequirementInterface]:
    """The image, and what says how it is read."""
    return [
        ImageRequirement(name="primary", description="Memory layer of the kernel", architectures=ARCHITECTURES),
        requirements.StringRequirement(
            name="isf", description="Take the layout from this Volatility symbol table", optional=True
        ),
        requirements.StringRequirement(
            name="dtb", description="Physical address of the kernel's page tables", optional=True
        ),
        requirements.StringRequirement(
            name="page_files",
            description="Folder of the image's page files: pagefile.sys, swapfile.sys, pagefileN.sys",
            optional=True,
        ),
    ]


def requirement(option: Option) -> interfaces.configuration.RequirementInterface:
    """An option of a view as Volatility's command line takes it."""
    said: dict[str, Any] = {"name": option.name, "description": option.meaning, "optional": True}
    if option.choices:
        return requirements.ChoiceRequirement(choices=list(option.choices), default=option.default, **said)
    if option.kind is BOOLEAN:
        return requirements.BooleanRequirement(default=option.default, **said)
    if option.kind is TEXTS:
        return GivenListRequirement(element_type=str, **said)
    default = None if option.kind is INTEGER else option.default  # one of Volatility's strings is no number
    return requirements.StringRequirement(default=default, **said)


def given(option: Option, value: Any) -> Any:
    """What an option of a view was given, as the view takes it; its default where nothing was.

    Raises:
        RequestError: it makes no sense.
    """
    if value is None or value == "":
        return option.default
    if option.kind is TEXTS:
        return tuple(sorted(names_given(f"--{option.name}", value)))
    return integer(f"--{option.name}", value) if option.kind in (ADDRESS, INTEGER) else value
