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
