"""The working set list: which pages of a process are in memory, as the memory manager lists them for itself.

Every process has one, at ``_EPROCESS.Vm`` (``_MMSUPPORT``; ``_MMSUPPORT_FULL`` from build 14393 on) in
VmWorkingSetList.  What that leads to changed twice, and where it lies once:

=============  ==================  ==========================  ====================================================
builds (x64)   structure           address                     entries
=============  ==================  ==========================  ====================================================
3790           _MMWSL              FFFFF700`00081000           an array of _MMWSLE, one for each page; the shape is
                                                               that of XP (here _MMWSL_2600)
6000 .. 7601   _MMWSL              FFFFF700`01080000           the same; a field more (_MMWSL_6000)
9200, 9600     _MMWSL              FFFFF700`01080000           the same; another order (_MMWSL_9200)
9600 (Update)  _MMWSL              FFFFF580`10804000           the same; indexes as wide as a pointer
  .. 10586
14393          _MMWSL_FULL         not published               the same
15063 ..       _MMWSL_INSTANCE     system space, as pool is    none: it points at the page table entries where
                                                               trimming and ageing go on
=============  ==================  ==========================  ====================================================

Up to 10586 the address is the same in every process: it lies in process-specific system space (hyperspace), so
each process's own page tables lead to its own list.  From 15063 on the structure is an allocation like any other
and looks alike through every process's tables.

On x86 it lies in hyperspace, from C0400000 on, up to 10586 as well.  Lists of the shapes before the Update of 8.1 all
begin with three indexes; which shape a list has, it must prove.  An entry is as wide as a pointer in every build.

Source: Geoff Chappell, MMWSL (preset addresses and their end in 1703), MMWSL_FULL, MMWSL_INSTANCE, MMWSL_SHARED;
Microsoft's kernel symbols as github.com/ntdiff/headers prints them, x64: Win8.1_U1 and Win10_1507_TS1 for _MMWSL
(the same up to Wsle), Win8.1_U1 for _MMWSLE, Win10_1903_RS6 for _MMWSL_INSTANCE; earlier shapes as collections of
the same symbols in public repositories print them: 0x698 bytes (XP), 0x6B8 (Vista x86), 0x488 (7 x64), 0x530 (8
x64).  Seen in real small dumps
(docs/real-dumps.md): FFFFF580`10804000 in all four of build 9600; addresses near the process object's own, each
another, in those of 17763 and 19041.
The layouts that ship lack _MMWSL and _MMWSL_FULL, so their places come from the declaration here, and a list that
is read through them must prove itself.
"""

from __future__ import annotations

from collections.abc import Callable

from structs.field_types import Pointer, UInt, Words
from structs.layout import Layout, at

FIRST_SPLIT_BUILD = 14393
"""Build since which the list is a _MMWSL_FULL."""
FIRST_BUILD_WITHOUT_ENTRIES = 15063
"""Build since which the memory manager keeps no list of a process's pages."""

_SHARED = {
    "FirstFree": at(UInt, "index of the first free entry"),
    "FirstDynamic": at(UInt, "index of the first entry that may be trimmed"),
    "LastEntry": at(UInt, "highest index in use"),
}
_HASHES = {
    "WsleSize": at(UInt, "bytes of an entry"),
    "NonDirectCount": at(UInt, "entries that are found by their hash only"),
    "LowestPagableAddress": at(Pointer, "lowest address whose pages can be in this working set"),
    "NonDirectHash": at(Pointer, "hash of pages that are shared with others"),
    "HashTableStart": at(Pointer, "start of the hash table"),
    "HighestPermittedHashAddress": at(Pointer, "where the hash table may not grow beyond"),
}
_AGEING = {
    "NextAgingSlot": at(UInt, "where ageing goes on"),
    "NextAccessClearingSlot": at(UInt, "where clearing of accessed bits goes on"),
    "LastAccessClearingRemainder": at(UInt, "what was left over when accessed bits were cleared"),
    "LastAgingRemainder": at(UInt, "what was left over when pages aged"),
}
_AGES = {
    "ActiveWsleCounts": at(Words, "number of entries of each age"),
    "ActiveWsles": at(Words, "list of entries of each age"),
}


def _word(pointer_size: int) -> int:
    """The counters are as wide as a pointer."""
    return pointer_size


def _words(pointer_size: int) -> int:
    """One number for each age."""
    return 16 * pointer_size


def _pairs(pointer_size: int) -> int:
    """The two ends of a list for each age."""
    return 32 * pointer_size


_SHARED_WIDTHS: dict[str, int | Callable[[int], int]] = {"FirstFree": _word, "FirstDynamic": _word, "LastEntry": _word}
_HASH_WIDTHS: dict[str, int | Callable[[int], int]] = {
    "WsleSize": 4,
    "NonDirectCount": _word,
    "LowestPagableAddress": _word,
    "NonDirectHash": _word,
    "HashTableStart": _word,
    "HighestPermittedHashAddress": _word,
}

_WHOLE = {
    **_SHARED,
    "NextSlot": at(UInt, "where the trimmer goes on"),
    "LastInitializedWsle": at(UInt, "highest index that exists"),
    **_AGEING,
    **_HASHES,
    **_AGES,
    "Wsle": at(Pointer, "address of the entries"),
}

MMWSL = Layout(
    "_MMWSL",
    "the working set list of builds 9600 to 10586 (x64), at one address in every process, in its own system space",
    _WHOLE,
    widths={
        **_SHARED_WIDTHS,
        "NextSlot": _word,
        "LastInitializedWsle": _word,
        "NextAgingSlot": _word,
        "NextAccessClearingSlot": _word,
        "LastAccessClearingRemainder": 4,
        "LastAgingRemainder": 4,
        **_HASH_WIDTHS,
        "ActiveWsleCounts": _words,
        "ActiveWsles": _pairs,
        "Wsle": _word,
    },
)

_OLD = {
    **_SHARED,
    "NextSlot": at(UInt, "where the trimmer goes on"),
    "Wsle": at(Pointer, "address of the entries"),
}
_OLD_WIDTHS: dict[str, int | Callable[[int], int]] = {
    "FirstFree": 4,
    "FirstDynamic": 4,
    "LastEntry": 4,
    "NextSlot": 4,
    "Wsle": _word,
}

MMWSL_2600 = Layout(
    "_MMWSL_2600",
    "the beginning of _MMWSL in Windows XP and Server 2003, at one address in every process, in its own system space",
    {**_OLD, "LastInitializedWsle": at(UInt, "highest index that exists")},
    widths={**_OLD_WIDTHS, "LastInitializedWsle": 4},
)

MMWSL_6000 = Layout(
    "_MMWSL_6000",
    "the beginning of _MMWSL in Windows Vista and 7, at one address in every process, in its own system space",
    {
        **_OLD,
        "LowestPagableAddress": at(Pointer, "lowest address whose pages can be in this working set"),
        "LastInitializedWsle": at(UInt, "highest index that exists"),
    },
    widths={**_OLD_WIDTHS, "LowestPagableAddress": _word, "LastInitializedWsle": 4},
)

MMWSL_9200 = Layout(
    "_MMWSL_9200",
    "_MMWSL up to its entries in Windows 8 and the first release of 8.1, with indexes of 32 bits",
    _WHOLE,
    widths={
        **dict.fromkeys(_SHARED, 4),
        "NextSlot": 4,
        "LastInitializedWsle": 4,
        "NextAgingSlot": 4,
        "NextAccessClearingSlot": 4,
        "LastAccessClearingRemainder": 4,
        "LastAgingRemainder": 4,
        **_HASH_WIDTHS,
        "NonDirectCount": 4,
        "ActiveWsleCounts": 32,
        "ActiveWsles": 64,
        "Wsle": _word,
    },
)

MMWSL_FULL = Layout(
    "_MMWSL_FULL",
    "the working set list of build 14393: scanning state (_MMWSL_INSTANCE) and the list itself (_MMWSL_SHARED)",
    {
        "NextSlot": at(UInt, "where the trimmer goes on"),
        **_AGEING,
        **_AGES,
        **_SHARED,
        "LastInitializedWsle": at(UInt, "highest index that exists"),
        **_HASHES,
        "Wsle": at(Pointer, "address of the entries"),
        "Padding": at(UInt, "fills the structure up"),
    },
    widths={
        "NextSlot": _word,
        "NextAgingSlot": _word,
        "NextAccessClearingSlot": _word,
        "LastAccessClearingRemainder": 4,
        "LastAgingRemainder": 4,
        "ActiveWsleCounts": _words,
        "ActiveWsles": _pairs,
        **_SHARED_WIDTHS,
        "LastInitializedWsle": _word,
        **_HASH_WIDTHS,
        "Wsle": _word,
        "Padding": _word,
    },
)

WSLE_VALID = 1 << 0
"""The entry is in use; free ones are chained through their other bits."""
WSLE_DIRECT = 1 << 3
"""The page is found through the page frame database, without the hash."""
