"""Access rights by name: what the bits of an access mask mean for each type of object.

The rights of each type ship in ``rights.toml``, as the Windows SDK (winnt.h, winuser.h) and the WDK (wdm.h, ntifs.h)
define them; those that all types share are in :mod:`process_anatomy.walk.security.acls`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from process_anatomy.walk.security.acls import RIGHTS
from process_anatomy.walk.security.token_facts import flag_text

DATA = "rights.toml"


@dataclass(frozen=True, slots=True)
class TypeRights:
    """The rights on objects of one type.

    Attributes:
        bits: bit to name, of the rights that only this type has.
        whole: mask to the name of a usual combination.
    """

    bits: Mapping[int, str]
    whole: Mapping[int, str]


@cache
def all_rights() -> Mapping[str, TypeRights]:
    """Type name to the rights on its objects."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    found = tomllib.loads(files(__package__).joinpath(DATA).read_text("utf-8"))
    return {
        name: TypeRights(
            {bit: right for right, bit in table.items() if isinstance(bit, int) and not bit & bit - 1},
            {mask: right for right, given in table.items() for mask in _masks(given) if mask & mask - 1},
        )
        for name, table in found.items()
    }


def _masks(given: int | list[int]) -> list[int]:
    """The numbers of one name."""
    return [given] if isinstance(given, int) else given


NO_RIGHTS = TypeRights({}, {})


@cache
def rights_text(type_name: str, access: int) -> str:
    """What an access mask grants on an object of a type: one name for a usual combination, else the bits' names.

    Bits without a name are told as one number.
    """
    known = all_rights().get(type_name, NO_RIGHTS)
    if access in known.whole:
        return known.whole[access]
    return flag_text(access, {**known.bits, **RIGHTS})
