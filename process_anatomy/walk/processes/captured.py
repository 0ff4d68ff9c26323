"""When the memory was taken, as Windows itself tells the time.

Source: _KUSER_SHARED_DATA.SystemTime, of type KSYSTEM_TIME, which the kernel writes at every tick of the clock; the
header of a small memory dump.
"""

from __future__ import annotations

from process_anatomy.absent import Absent, Kind
from process_anatomy.filetime import moment
from process_anatomy.kernel.identify import Kernel
from process_anatomy.memory.view import addresses_of
from structs.shared_data import KUSER_SHARED_DATA, KUSER_SHARED_DATA_ADDRESS


def captured(kernel: Kernel) -> int | Absent:
    """The time at which the memory was taken, as a FILETIME (100 ns since 1601, UTC)."""
    if kernel.crash is not None:
        time: int | Absent = kernel.crash.time
    else:
        where = KUSER_SHARED_DATA_ADDRESS[kernel.space.pointer_size]
        (data,) = kernel.view.records(KUSER_SHARED_DATA, addresses_of([where])).values("SystemTime")
        time = data if isinstance(data, Absent) else int.from_bytes(bytes(data)[:8], "little")
    if (not isinstance(time, Absent) and moment(time) is None) or time == 0:
        return Absent(Kind.IMPLAUSIBLE, "the shared page holds no time")
    return time
