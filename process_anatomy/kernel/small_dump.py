"""A small memory dump as a kernel: the crashed process and its layout, without page tables."""

from __future__ import annotations

from dataclasses import replace

from process_anatomy.errors import RequestError
from process_anatomy.kernel.identify import Crash, Kernel
from process_anatomy.memory.small_dump import SmallDump
from process_anatomy.memory.view import View
from structs import builds, kernel_files
from structs.debugger import statements
from structs.kernel_files import KernelFile
from structs.layout import Build


def open_small_dump(dump: SmallDump, isf: Build | None = None) -> Kernel:
    """The kernel of a small dump; the process that its list starts from is the one that crashed.

    Raises:
        RequestError: the user's symbol table is of another kernel: the dump's debugger block says so.
    """
    wrong = disagreements(dump, isf) if isf else []
    if isf and isf.pointer_size != dump.pointer_size:
        wrong = [f"its pointers have {isf.pointer_size} bytes, not {dump.pointer_size}"]
    if isf and wrong:
        raise RequestError(f"the symbol table {isf.name} does not fit this dump: {wrong[0]}")
    image = next((driver for driver in dump.drivers if driver.base == dump.kernel_base), None)
    file = None if image is None else kernel_files.by_stamp(image.timestamp, image.size)
    build = isf or builds.of_file(matching_build(dump, file), file)
    evidence = (
        f"small dump of build {dump.build_number}",
        *([f"kernel file {file} by its {file.known_by} in the list of drivers"] if file else []),
        f"layout {build.name}: {build.origin}",
    )
    crash = Crash(dump.process_address, dump.thread_address, dump.system_time, dump.bugcheck_code, dump.build_number)
    view = View(dump, build)
    size = 0 if image is None else image.size
    return Kernel(
        view, dump.build_number, dump.kernel_base, size, None, dump.process_address, evidence, crash, file=file
    )


def disagreements(dump: SmallDump, build: Build) -> list[str]:
    """What the dump's debugger block says against a layout, in words; empty where the two agree."""
    return [str(said) for said in statements(dump.debugger, build) if said.contradicts]


def matching_build(dump: SmallDump, file: KernelFile | None = None) -> Build:
    """The layout that fits the dump's kernel: of its file's revision, else of its build number, proved by its block.

    A build number has several layouts where servicing changed the kernel's structures.  The block gives
    the sizes of _EPROCESS and _ETHREAD and the places of five fields, and only layouts that agree with all
    of them are taken.  Where several agree and are the same in every declared structure, nothing is left
    to guess; where they differ, the newest is taken and marked as estimated.  So is one whose update is known by the
    size of a structure alone (:mod:`structs.later_sizes`).

    Args:
        dump: whose kernel.
        file: the kernel's file, where it is one that is known.

    Raises:
        structs.layout.LayoutError: no layout ships for x64 at all.
    """
    number = dump.build_number
    if file is not None and file.build == builds.of_kernel(dump.machine, number):
        of_file = builds.by_number(dump.machine, file.build, file.revision)
        if of_file is not None and not of_file.estimated and not disagreements(dump, of_file):
            origin = (
                f"{of_file.origin} by the kernel file's {file.known_by}, sizes confirmed by the dump's debugger block"
            )
            return replace(of_file, origin=origin)
    chosen = builds.by_number(dump.machine, number)
    if chosen is not None:
        same = [build for build in builds.nearest(dump.machine, chosen.number) if build.number == chosen.number]
        fitting = [build for build in [chosen, *same] if not disagreements(dump, build)]
        if fitting:
            best = fitting[0]
            longer = next((said for said in statements(dump.debugger, best) if said.updated), None)
            if longer is not None:
                more = longer.said - best.sizes[longer.structure]
                origin = (
                    f"build number {number}, an update whose {longer.structure} has {longer.said} bytes by the dump's "
                    f"debugger block: known to be this layout with {more} bytes more at the end"
                )
                return replace(best, estimated=True, origin=origin)
            if all(build.sizes == best.sizes and build.places == best.places for build in fitting):
                origin = f"build number {number}, sizes confirmed by the dump's debugger block"
                return replace(best, estimated=False, origin=origin)
            origin = f"build number {number}, newest of the layouts that the dump's debugger block allows"
            return replace(best, estimated=True, origin=origin)
        origin = f"build number {number}, but the dump's debugger block disagrees: {disagreements(dump, chosen)[0]}"
        return replace(chosen, estimated=True, origin=origin)
    candidates = list(builds.nearest(dump.machine, number))
    fit = next((build for build in candidates if not disagreements(dump, build)), None)
    if fit is not None:
        origin = f"build {number} is not known; build {fit.number} agrees with the dump's debugger block"
        return replace(fit, estimated=True, origin=origin)
    origin = f"{candidates[0].origin}, and the dump's debugger block disagrees with every layout known"
    return replace(candidates[0], origin=origin)
