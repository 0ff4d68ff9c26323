"""Our wheel, built from the checkout, and what environments are made from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.environments import Kit, UnreachableError, prepare


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """Wheels and Volatility's checkout, fetched once for all processes that run tests."""
    fcntl = pytest.importorskip("fcntl", reason="environments are laid out otherwise on Windows")
    made = tmp_path_factory.getbasetemp()
    folder = (made.parent if "PYTEST_XDIST_WORKER" in os.environ else made) / "kit"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return prepare(folder)
        except UnreachableError as error:
            pytest.skip(f"PyPI does not answer: {error}")


@pytest.fixture(scope="session")
def wheel(kit: Kit) -> Path:
    """Our wheel."""
    return kit.ours
