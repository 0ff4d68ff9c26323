"""Scenarios: the cast of an image as data.  Forging one is :func:`process_anatomy.forge.forge`."""

from __future__ import annotations

from dataclasses import dataclass, replace

SYSTEM32 = "C:\\Windows\\System32\\"
SERVICE_HOST = SYSTEM32 + "svchost.exe"
CALCULATOR = (
    "C:\\Program Files\\WindowsApps\\Microsoft.WindowsCalculator_11.2210.0.0_x64__8wekyb3d8bbwe\\CalculatorApp.exe"
)


@dataclass(frozen=True)
class Actor:
    """One process of a scenario.

    Attributes:
        pid: process id, a multiple of 4.
        parent: process id of the parent, which need not be alive.
        path: path of the program; the name alone for System and Registry.
        context: key of :data:`process_anatomy.forge.security.CONTEXTS`.
        started: seconds from boot.
        session: session id, ``None`` outside any.
        arguments: command line behind the program's name.
        threads: number of threads.
        ended: seconds from boot when the process ended, which leaves only its object behind.
        exit_status: status it ended with.
        minimal: without a user address space.
        protection: type and signer of a protected process, as one byte.
        critical: ending it stops the system.
        injected: has private memory that can be written and executed.
        large_page: has a 2 MB page.
        handles: how many handles it has open beyond those to itself.
        extra_regions: private ranges beyond the usual ones.
        hidden: unlinked from the list of active processes.
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
    large_page: bool = False
    handles: int = 6
    extra_regions: int = 0
    hidden: bool = False

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
        invalid_pte_mask: bits that the kernel flips in page-table entries that are not valid (x64, Windows 10 on).
    """

    name: str
    cast: tuple[Actor, ...]
    memory_size: int = 64 << 20
    boot_time: int = 1_700_125_200
    uptime: int = 9_140
    computer: str = "LABWIN11"
    invalid_pte_mask: int = 0


LAB = Scenario(
    "lab",
    (
        Actor(4, 0, "System", threads=4, protection=0x72, minimal=True),
        Actor(124, 4, "Registry", started=-5, protection=0x72, minimal=True),
        Actor(388, 4, SYSTEM32 + "smss.exe", started=4, protection=0x61, critical=True),
        Actor(
            512, 504, SYSTEM32 + "csrss.exe", started=9, session=0, protection=0x61, critical=True, threads=3,
            arguments="ObjectDirectory=\\Windows SharedSection=1024,20480,768 Windows=On",
        ),
        Actor(588, 504, SYSTEM32 + "wininit.exe", started=10, session=0, protection=0x61, critical=True),
        Actor(
            596, 580, SYSTEM32 + "csrss.exe", started=10, session=1, protection=0x61, critical=True, threads=3,
            arguments="ObjectDirectory=\\Windows SharedSection=1024,20480,768 Windows=On",
        ),
        Actor(672, 580, SYSTEM32 + "winlogon.exe", started=10, session=1),
        Actor(716, 588, SYSTEM32 + "services.exe", started=11, session=0, protection=0x61, critical=True, threads=3),
        Actor(728, 588, SYSTEM32 + "lsass.exe", started=11, session=0, protection=0x41, threads=4),
        Actor(
            1092, 716, SERVICE_HOST, "local-service", started=14, session=0, threads=3,
            arguments="-k LocalServiceNetworkRestricted -p -s EventLog",
        ),
        Actor(
            1236, 716, SERVICE_HOST, "network-service", started=15, session=0, threads=3,
            arguments="-k NetworkService -p -s Dnscache",
        ),
        Actor(3920, 3844, "C:\\Windows\\explorer.exe", "limited", 73, 1, threads=5, handles=300, large_page=True),
        Actor(
            5212, 3920, SYSTEM32 + "notepad.exe", "limited", 412, 1, "C:\\Users\\student\\Documents\\homework.txt",
            injected=True,
        ),
        Actor(5740, 3920, SYSTEM32 + "cmd.exe", "full", 655, 1, threads=1),
        Actor(5588, 3920, "C:\\Users\\student\\Downloads\\update.exe", "limited", 698, 1, ended=741, exit_status=1),
        Actor(6044, 716, CALCULATOR, "low-box", 1_204, 1, "-ServerName:App.AppXsm3pg4n7er43kdh1qp4e79f1j7am68r8.mca"),
    ),
)  # fmt: skip


def crowd(processes: int, regions: int = 0, memory_size: int = 256 << 20) -> Scenario:
    """The lab with many more user programs: for tests of scale.

    Args:
        processes: how many user programs to add.
        regions: private ranges that each of them has beyond the usual ones.
        memory_size: bytes of physical memory.
    """
    added = tuple(
        Actor(
            8000 + 4 * 8 * number, 3920, f"C:\\Program Files\\Crowd\\worker{number:05}.exe", "limited", 2_000 + number,
            1, threads=1, extra_regions=regions,
        )
        for number in range(processes)
    )  # fmt: skip
    return replace(LAB, name=f"crowd-{processes}", cast=LAB.cast + added, memory_size=memory_size)


SCENARIOS = {"lab": LAB, "crowd": crowd(200)}
