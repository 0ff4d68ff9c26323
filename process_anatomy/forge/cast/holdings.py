"""What the shell of a scenario holds open: one object of every kind."""

from __future__ import annotations

from process_anatomy.forge.ground.holdings import Holdings, Named
from process_anatomy.forge.objects.devices import DISK
from process_anatomy.forge.parts.handle import INHERITED, PROTECTED
from process_anatomy.forge.registry.hives import USER_HIVE

SESSION = "\\Sessions\\1\\BaseNamedObjects\\"
STATIONS = "\\Sessions\\1\\Windows\\WindowStations\\"
SHELL = Holdings(
    named=(
        Named("Event", "\\KernelObjects\\LowMemoryCondition", 0x18, b"Even", 0x100000, 0),
        Named("Event", SESSION + "LabReady", 0x18, b"Even", 0x1F0003, INHERITED),
        Named("Mutant", SESSION + "LedgerSingleInstance", 0x38, b"Muta", 0x1F0001, PROTECTED),
        Named("Semaphore", SESSION + "LedgerPrinters", 0x20, b"Sema", 0x1F0003, PROTECTED | INHERITED),
        Named("ALPC Port", "\\RPC Control\\ContosoAgentPort", 0x1D8, b"ALPC", 0x1, 0),
        Named("Job", SESSION + "LedgerJob", 0x200, b"Job ", 0x1F003F, 0),
        Named("WindowStation", STATIONS + "WinSta0", 0x98, b"Wind", 0x37F, INHERITED),
        Named("IoCompletion", SESSION + "LedgerPort", 0x40, b"IoCo", 0x1F0003, 0),
        Named("Timer", SESSION + "LedgerAlarm", 0x88, b"Time", 0x1F0003, 0),
    ),
    keys=(
        ("", 0x20019),
        ("MACHINE", 0x20019),
        ("MACHINE\\SYSTEM\\ControlSet001\\Services\\Tcpip\\Parameters", 0x20019),
        ("MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run", 0x20006),
        (USER_HIVE, 0xF003F),
        (USER_HIVE + "\\Software\\Microsoft\\Windows\\CurrentVersion\\Explorer", 0xF003F),
    ),
    files=(
        (DISK, "\\Users\\student\\Desktop", 0x100001),
        (DISK, "\\Windows\\en-US\\explorer.exe.mui", 0x120089),
        ("\\Device\\NamedPipe", "\\contoso-agent", 0x12019F),
        ("\\Device\\Afd", "\\Endpoint", 0x16019F),
        ("\\Device\\Null", "", 0x120089),
    ),
    views=True,
)
