"""Files that scripts write anew, or only compare with what they would write."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def renewed(path: Path, fresh: str, check: bool) -> bool:
    """Whether a file of the project was out of date, which is printed; it is rewritten then, unless only checked.

    Args:
        path: of the file, which may be missing.
        fresh: what it should hold.
        check: leave it as it is.
    """
    if path.is_file() and path.read_text("utf-8") == fresh:
        return False
    print(f"{path.relative_to(ROOT)} {'is out of date' if check else 'rewritten'}")
    if not check:
        path.write_text(fresh, "utf-8")
    return True
