"""Versions of what reads an image, and of what could: for manifests, and for whoever asks why something is missing."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

NEEDED = ("process-anatomy", "volatility3", "construct", "pefile", "iced-x86", "numpy", "click")
"""Packages that are always there."""
EXTRAS = {
    "fleet": ("pyarrow", "duckdb", "dask", "distributed", "jinja2"),
    "exports": ("stix2",),
    "frames": ("pandas", "polars", "pyarrow"),
    "note": ("markdown-it-py", "mdit-py-plugins"),
    "labs": ("pyrage", "text2qti"),
    "samples": ("py7zr", "pyzipper", "inflate64", "rich"),
    "report": ("jinja2",),
}
"""Extra to the packages that it brings."""


def of(package: str) -> str | None:
    """The version of a package, ``None`` where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str | None]:
    """Package to its version, Python first."""
    return {"Python": platform.python_version()} | {name: of(name) for name in NEEDED}


def missing() -> dict[str, list[str]]:
    """Extra to the packages of it that are not installed; only extras of which one is missing."""
    lacking = {extra: [name for name in names if of(name) is None] for extra, names in EXTRAS.items()}
    return {extra: names for extra, names in lacking.items() if names}
