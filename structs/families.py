"""Every declaration that takes its places from a build, by its Windows name."""

from __future__ import annotations

from structs import (
    attributes,
    csr,
    eprocess,
    ethread,
    handle,
    job,
    object,
    page_entry,
    peb,
    pool,
    registry,
    section,
    session,
    shared_data,
    teb,
    token,
    vad,
    working_set,
)
from structs.layout import Layout

LAYOUTS: dict[str, Layout] = {
    declaration.name: declaration
    for family in (
        attributes,
        csr,
        eprocess,
        ethread,
        handle,
        job,
        object,
        page_entry,
        peb,
        pool,
        registry,
        section,
        session,
        shared_data,
        teb,
        token,
        vad,
        working_set,
    )
    for declaration in vars(family).values()
    if isinstance(declaration, Layout)
}

PART_OF = {
    "_KPROCESS": "_EPROCESS",
    "_MMSUPPORT": "_EPROCESS",
    "_KTHREAD": "_ETHREAD",
    "_NT_TIB": "_TEB",
    "_MMVAD": "_MMVAD_SHORT",
    "_MMVAD_FLAGS": "_MMVAD_SHORT",
    "_MMVAD_FLAGS1": "_MMVAD_SHORT",
    "_MMVAD_FLAGS2": "_MMVAD",
    "_MM_PRIVATE_VAD_FLAGS": "_MMVAD_SHORT",
    "_MMADDRESS_NODE": "_MMVAD_SHORT",
    "_RTL_BALANCED_NODE": "_MMVAD_SHORT",
}
"""Structures whose fields are declared with those of the one that they are a part of, or begin with."""
