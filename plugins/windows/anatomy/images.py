"""The plugin windows.anatomy.images: programs and libraries as they lie in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volatility3.framework import interfaces
from volatility3.framework.configuration import requirements

from process_anatomy.volatility import Anatomy, Column, format_hints, safe_file_name

if TYPE_CHECKING:
    from process_anatomy.kernel.identify import Kernel
    from process_anatomy.walk.program.images import Image


class Images(Anatomy, interfaces.plugins.PluginInterface):
    """Takes the executable program of each process, or its modules, apart as it lies in memory, explained."""

    _version = (1, 0, 0)
    columns = (
        Column("PID", int),
        Column("Process", str),
        Column("Base", format_hints.Hex),
        Column("Size", format_hints.Hex),
        Column("Name", str),
        Column("Path", str),
        Column("Role", str),
        Column("TimeDateStamp", format_hints.Hex),
        Column("Machine", str),
        Column("Subsystem", str),
        Column("Checksum", format_hints.Hex),
        Column("FileSize", int),
        Column("Overlay", int),
        Column("EntryPoint", format_hints.Hex),
        Column("EntrySection", str),
        Column("Sections", str),
        Column("VadProtection", str),
        Column("Imphash", str),
        Column("Imports", int),
        Column("Exports", int),
        Column("PdbPath", str),
        Column("PdbGuid", str),
        Column("CompanyName", str),
        Column("FileVersion", str),
        Column("OriginalFilename", str),
        Column("RichHash", str),
        Column("Mitigations", str),
        Column("Pages", int),
        Column("PagesMissing", int),
        Column("File output", str),
        Column("Problems", str),
        Column("Explanation", str),
    )

    @classmethod
    def get_requirements(cls) -> list[interfaces.configuration.RequirementInterface]:
        """Those of every plugin, and which images."""
        return [
            *super().get_requirements(),
            requirements.StringRequirement(
                name="module", description="Modules of this file name, not the programs", optional=True
            ),
            requirements.BooleanRequirement(name="all", description="All modules", default=False, optional=True),
            requirements.BooleanRequirement(
                name="dump", description="Write each image to a file as it lies in memory", default=False, optional=True
            ),
        ]

    def rows(self, kernel: Kernel) -> Iterator[tuple[int, Sequence[Any]]]:
        """One row for each image."""
        from process_anatomy.absent import NOT_APPLICABLE, Absent
        from process_anatomy.walk.program.images import images

        _, chosen = self.chosen(kernel)
        explain = self.explainer(kernel)
        table = images(kernel, chosen, self.config.get("module", None) or "", self.config["all"])
        self.report(table.problems)
        for row in table.rows:
            facts = row.facts

            def told(name: str, facts: Any = facts) -> Any:
                return facts if isinstance(facts, Absent) else getattr(facts, name)

            pdb, version = told("pdb"), told("version")
            strings = {} if isinstance(version, Absent) else version
            entry = told("entry")
            yield (
                0,
                (
                    row.process.pid,
                    row.process.name,
                    row.base,
                    row.size,
                    row.name,
                    row.path,
                    row.role,
                    told("timestamp"),
                    told("machine"),
                    told("subsystem"),
                    told("checksum"),
                    row.file if isinstance(row.file, Absent) else row.file.size,
                    row.overlay,
                    row.base + entry if isinstance(entry, int) and entry else entry or NOT_APPLICABLE,
                    told("entry_section"),
                    facts if isinstance(facts, Absent) else ", ".join(map(str, facts.sections)) or None,
                    row.vad.protection if row.vad else None,
                    told("imphash"),
                    told("imports"),
                    told("exports"),
                    pdb if isinstance(pdb, Absent) else pdb.path,
                    pdb if isinstance(pdb, Absent) else f"{pdb.guid}-{pdb.age}",
                    *(
                        version if isinstance(version, Absent) else strings.get(name)
                        for name in ("CompanyName", "FileVersion", "OriginalFilename")
                    ),
                    told("rich"),
                    facts if isinstance(facts, Absent) else ", ".join(facts.mitigations) or "none",
                    row.pages,
                    row.missing,
                    self._dump(kernel, row) if self.config["dump"] else "Disabled",
                    "; ".join(row.problems) or None,
                    explain.image(row),
                ),
            )

    def _dump(self, kernel: Kernel, row: Image) -> str | None:
        """Write an image to a file; gives the file's name, nothing where there is not one page of it."""
        from process_anatomy.walk.program.images import image_bytes

        if row.missing >= row.pages:
            return None
        with self.open(safe_file_name(f"pid.{row.process.pid}.{row.base:#x}", row.name, "img")) as file:
            for part in image_bytes(kernel, row):
                file.write(part)
            return str(file.preferred_filename)
