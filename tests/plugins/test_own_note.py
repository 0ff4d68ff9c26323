"""Every plugin takes the reader's note; one that cannot be used is told in one line, and our words stand."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from volatility3.framework import contexts, interfaces

from process_anatomy import views
from process_anatomy.volatility.plugin import Anatomy, PluginError


class Terms(Anatomy, interfaces.plugins.PluginInterface):
    """The plugin of terms, under a name of its own."""

    view = views.view("explain")


def asked(**options: Any) -> list[dict[str, Any]]:
    """The rows of the plugin with these options."""
    context = contexts.Context()
    for name, value in options.items():
        context.config[f"plugins.Terms.{name}"] = value
    plugin = Terms(context, "plugins.Terms")
    plugin.set_open_method(type("Files", (interfaces.plugins.FileHandlerInterface,), {}))
    found: list[dict[str, Any]] = []

    def visit(node: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows.append(dict(zip(Terms.view.names, node.values, strict=True)))
        return rows

    plugin.run().populate(visit, found)
    return found


@pytest.mark.parametrize("name", views.NAMES)
def test_every_plugin_takes_a_note(name: str) -> None:
    plugin = type("Plugin", (Anatomy,), {"view": views.view(name)})
    assert [each.name for each in plugin.get_requirements()].count("note") == 1


def test_the_readers_words_stand_for_ours_and_are_escaped(tmp_path: Path) -> None:
    note = tmp_path / "mine.md"
    note.write_text("# PEB\nWhat \x1b]0;x\x07 it keeps.\n", "utf-8")
    row = asked(about="term/peb", note=str(note))[0]
    assert row["Explanation"] == "What \\x1b]0;x\\x07 it keeps."
    assert row["Source"].startswith("mine.md, PEB, line 1; ")
    assert row["Match"] == "heading"
    check = asked(check=True, note=str(note))
    assert check[0]["Match"] == "heading"
    assert {each["Match"] for each in check[1:]} == {"not in the note"}


def test_a_note_that_cannot_be_used_is_one_line_and_changes_no_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = asked(about="term/peb")
    with caplog.at_level(logging.WARNING):
        theirs = asked(about="term/peb", note=str(tmp_path / "gone.md"))
    assert [(each["Explanation"], each["Source"]) for each in theirs] == [
        (each["Explanation"], each["Source"]) for each in ours
    ]
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("windows.anatomy")]
    assert len(lines) == 1
    assert "gone.md: No such file or directory; our own words are used" in lines[0]
    with pytest.raises(PluginError, match="No such file"):
        asked(check=True, note=str(tmp_path / "gone.md"))
    with pytest.raises(PluginError, match="--note says which"):
        asked(check=True)
