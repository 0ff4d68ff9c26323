"""A token whose address of the default access list is zero: told where a list stands behind its primary group."""

from __future__ import annotations

import pytest

from process_anatomy.absent import NOT_APPLICABLE
from process_anatomy.forge import Image, forge
from process_anatomy.views.image import Image as OpenedImage
from process_anatomy.walk.across.tables import Tables
from process_anatomy.walk.security.acls import Acl
from process_anatomy.walk.security.default_lists import LEFT_BEHIND
from process_anatomy.walk.security.tokens import Token
from structs.token import TOKEN
from tests.walk.damaged import Editor, kernel_of
from tests.walk.losses import small_lab


@pytest.fixture(scope="module")
def image() -> Image:
    return forge(small_lab(), 7)


def victim(image: Image, editor: Editor | None = None) -> Token:
    tables = Tables(kernel_of(image, editor.frames if editor else None))
    return next(token for token in tables.tokens if token.process.pid != 4)


def test_a_list_whose_address_is_zero_is_missed(image: Image) -> None:
    """The row stays and says why it has no entries."""
    before = victim(image)
    assert isinstance(before.dacl, Acl)
    assert isinstance(before.address, int)
    editor = Editor(image)
    editor.set(TOKEN, before.address, "DefaultDacl", 0)
    assert victim(image, editor).dacl == LEFT_BEHIND
    assert isinstance(before.process.pid, int)
    opened = OpenedImage(kernel_of(image, editor.frames))
    (row,) = opened.view("dacls", pid=before.process.pid)
    assert row["Entry"] is None
    assert "stands a list" in str(row["Problems"])
    (told,) = opened.view("tokens", pid=before.process.pid)
    assert "stands a list" in str(told["Problems"])


@pytest.mark.parametrize("octets", [bytes(8), b"\xff" * 8])
def test_a_token_without_a_list_lacks_nothing(image: Image, octets: bytes) -> None:
    """Nothing, or something else, stands behind the primary group."""
    before = victim(image)
    assert isinstance(before.dacl, Acl)
    assert isinstance(before.address, int)
    editor = Editor(image)
    editor.set(TOKEN, before.address, "DefaultDacl", 0)
    editor.write(before.dacl.address, octets)
    assert victim(image, editor).dacl == NOT_APPLICABLE


def test_a_block_that_does_not_begin_with_the_primary_group_says_nothing(image: Image) -> None:
    before = victim(image)
    assert isinstance(before.address, int)
    editor = Editor(image)
    editor.set(TOKEN, before.address, "DefaultDacl", 0)
    editor.set(TOKEN, before.address, "DynamicPart", 0)
    assert victim(image, editor).dacl == NOT_APPLICABLE
