"""The words that scenarios are written in: who runs, which threads are unlike the others, and on what machine."""

from __future__ import annotations

from dataclasses import dataclass

from process_anatomy.forge.ground.holdings import NOTHING, Holdings, Power, Way
from process_anatomy.forge.ground.identity import Identity, Service

ALL, TRIMMED, PAGED_OUT = "all", "trimmed", "paged out"
"""How much of a process's user half is in memory."""
IDENTIFICATION, IMPERSONATION = 1, 2
"""How far an impersonation token may act: to be looked at, or to be used on this machine."""


@dataclass(frozen=True)
class Impersonation:
    """A thread that acts for somebody else.

    Attributes:
        thread: number of the thread in its process.
        context: the client's security context.
        level: how far it may act for the client.
        session: terminal session of the client.
        effective_only: only what is enabled in the token counts.
        active: it does so now; otherwise the address of the client's token is only left over.
        taken: how far the thread acts, where that is not what the client allowed.
    """

    thread: int
    context: str
    level: int = IMPERSONATION
    session: int = 1
    effective_only: bool = False
    active: bool = True
    taken: int | None = None


@dataclass(frozen=True)
class ThreadPlan:
    """A thread that is not like the others of its process.

    Attributes:
        thread: number of the thread in its process.
        state: scheduler state; 5 waits.
        reason: why it waits or last waited; 6 is a program's own request.
        priority: that it runs with now, if not the usual one.
        suspended: how often it was suspended.
        ended: seconds from boot when it ended; only its object is left.
        exit_status: status it ended with.
        starts_in: ``injected`` for the private executable memory, ``nowhere`` for an address without a range (of the
            kernel's threads: in no driver), or the file name of a driver.
        flags: names of cross-thread flags that are set beyond the usual ones.
        name: that the program gave it.
    """

    thread: int
    state: int = 5
    reason: int = 6
    priority: int | None = None
    suspended: int = 0
    ended: int | None = None
    exit_status: int = 0
    starts_in: str = ""
    flags: tuple[str, ...] = ()
    name: str = ""


INJECTED, NOWHERE = "injected", "nowhere"
"""Where a planned thread may start, beside drivers."""
SYSTEM, REGISTRY, SESSION_MANAGER, SUBSYSTEM = "system", "registry", "session manager", "subsystem"
"""Parts that Windows' own processes play: the kernel's process; the one that hives are mapped in; the first program;
and the server of a session, which keeps a list of the session's programs (csrss.exe)."""
COMPRESSION = "compression"
"""The same for the process that compressed pages are kept in."""


@dataclass(frozen=True)
class Actor:
    """One process of a scenario.

    Attributes:
        pid: process id, a multiple of 4.
        parent: process id of the parent, which need not be alive.
        path: path of the program; the name alone for System and Registry.
        context: key of :data:`process_anatomy.forge.security.contexts.CONTEXTS`.
        started: seconds from boot.
        session: session id, ``None`` outside any.
        arguments: command line behind the program's name.
        threads: number of threads.
        ended: seconds from boot when the process ended, which leaves only its object behind, and those of the
            threads that it has plans for.
        exit_status: status it ended with.
        minimal: without a user address space.
        protection: type and signer of a protected process, as one byte.
        critical: ending it stops the system.
        injected: has private memory that can be written and executed.
        compiles: has code in private memory that a just-in-time compiler made, and may change.
        odd_pages: has pages that do not go with its VADs.
        large_page: has a 2 MB page.
        handles: how many handles it has open beyond those to itself.
        extra_regions: private ranges beyond the usual ones.
        hidden: unlinked from the list of active processes.
        unseen_by: what else was made not to lead to it: ``forward`` or ``backward`` (one direction of the list of
            active processes), ``cid``, ``csrss``, ``job``, ``scan``, ``session``.
        job: name of the job that it is in.
        memory: how much of its user half is in memory: :data:`ALL`; :data:`TRIMMED` leaves the PEB, the
            process parameters, the loader's lists and the page that all processes share; :data:`PAGED_OUT` nothing
            at all, not even page tables.
        impersonates: threads that act for somebody else.
        plans: threads that are not like the others.
        unlisted: path of a library that is mapped, but taken out of the loader's lists.
        headless: the first page of the program, its header, is not in memory.
        asked_by: process id of whoever asked for the creation, where it chose another parent than itself.
        window_title: title for its first window, where it is not the path; shortcuts put their own path there.
        debugged: was started under a debugger.
        misfits: keys of :data:`process_anatomy.forge.traces.table.TRACES`: traces of tampering; they take all its
            memory.
        findings: rules that find something in it for what the scenario makes of it, beyond misfits.
        wow64: a 32-bit program, which WOW64 runs: a second PEB, loader and libraries below 4 GB.
        sparse_handles: its handles have values from 0x80000 on, in a table of three levels.
        role: what part it plays in Windows: one of :data:`SYSTEM` and those beside it, empty for none.
        libraries: libraries of the system that it has loaded beyond the usual ones.
        holds: named objects that it holds open.
        console: a program for a console.
        leads_console: the console was made for it, and it leads the group of its programs.
        since: version of Windows that brought it.
        old_parent: process id of the parent before Windows Vista, where it was another.
        silo: name of the server silo (container) that it runs in.
        volume: device that its program lies on, where that is not the machine's own.
        solitary: its handles lead to itself and to nobody of its kind.
        patches: libraries that it has loaded and that Windows patched while they were in use, in builds that can do it.
    """

    pid: int
    parent: int
    path: str
    context: str = "system"
    started: int = 0
    session: int | None = None
    arguments: str = ""
    threads: int = 2
    ended: int | None = None
    exit_status: int = 0
    minimal: bool = False
    protection: int = 0
    critical: bool = False
    injected: bool = False
    compiles: bool = False
    odd_pages: bool = False
    large_page: bool = False
    handles: int = 6
    extra_regions: int = 0
    hidden: bool = False
    unseen_by: tuple[str, ...] = ()
    job: str = ""
    memory: str = ALL
    impersonates: tuple[Impersonation, ...] = ()
    plans: tuple[ThreadPlan, ...] = ()
    unlisted: str = ""
    headless: bool = False
    asked_by: int | None = None
    window_title: str = ""
    debugged: bool = False
    misfits: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    wow64: bool = False
    sparse_handles: bool = False
    role: str = ""
    libraries: tuple[str, ...] = ()
    holds: Holdings = NOTHING
    console: bool = False
    leads_console: bool = False
    since: tuple[int, int] = (0, 0)
    old_parent: int | None = None
    silo: str = ""
    volume: str = ""
    patches: tuple[str, ...] = ()
    solitary: bool = False

    @property
    def creator(self) -> int:
        """Process id of whoever asked for the creation."""
        return self.parent if self.asked_by is None else self.asked_by

    @property
    def name(self) -> str:
        """File name of the program."""
        return self.path.rpartition("\\")[2]


@dataclass(frozen=True)
class Scenario:
    """What an image shows.

    Attributes:
        name: the scenario's name.
        cast: its processes, System first.
        memory_size: bytes of physical memory, a multiple of 4 MB.
        boot_time: seconds since 1970 (UTC) when the system started.
        uptime: seconds from boot to the image.
        computer: name of the machine.
        home: folder of whoever sits at it.
        powers: handles that give processes power over one another.
        ways: what follows from them.
        invalid_pte_mask: bits that the kernel flips in page-table entries that are not valid (x64, Windows 10 on).
        compressed: share of the private pages that are in the compression store (Windows 10 1607 on), which is
            then there; 0 for a machine without it.
        paged: share of the private pages that are in page files, which are then there, with the kernel's list of them.
        identity: whose machine it is; ``None`` for the machine and the people of the lab.
        services: what its registry says of services, where it has an identity.
        autostart: name and command line of what its registry starts with every logon, likewise.
        old_pages: free frames that hold what was in them before, as a share of those that only programs use.
    """

    name: str
    cast: tuple[Actor, ...]
    memory_size: int = 64 << 20
    boot_time: int = 1_700_125_200
    uptime: int = 9_140
    computer: str = "LABWIN11"
    home: str = "C:\\Users\\student\\"
    powers: tuple[Power, ...] = ()
    ways: tuple[Way, ...] = ()
    invalid_pte_mask: int = 0
    compressed: float = 0
    paged: float = 0
    identity: Identity | None = None
    services: tuple[Service, ...] = ()
    autostart: tuple[tuple[str, str], ...] = ()
    old_pages: float = 0
