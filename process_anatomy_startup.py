"""Shows our plugins to Volatility, however it was installed, without a file in its folders.

Volatility looks for plugins in ``volatility3.framework.constants.PLUGINS_PATH``, folders of its own package, and knows
no entry points.  So Python runs :func:`start` when it starts (``process_anatomy_startup.pth``; from Python 3.15 on
``process_anatomy_startup.start``, PEP 829), and when a program imports ``volatility3.plugins``, our folder comes last
in that list.  Other programs pay for the import of this file, which needs nothing that Python has not loaded by then,
and for a comparison of names at each import.  docs/installation.md says what else was weighed.
"""

import os
import sys

HOME = os.path.dirname(os.path.abspath(__file__))
"""What holds our packages: ``site-packages``, or a checkout."""
OLDEST, BEYOND = (2, 28), (3, 0)
"""Versions of Volatility that our plugins are for; what is run from a checkout may be another."""
LEFTOVER = os.path.join(HOME, "volatility3", "plugins", "windows")
"""What pip leaves of the first wheels of 0.1.0, which put our plugins below it: empty folders."""


def plugin_folder(home: str = HOME) -> str:
    """The folder for ``vol -p``: beside the engine in a wheel, at the top in a checkout.

    Args:
        home: what holds the package ``process_anatomy``.
    """
    installed = os.path.join(home, "process_anatomy", "plugins")
    return installed if os.path.isdir(installed) else os.path.join(home, "plugins")


class Watcher:
    """Stands among the finders of modules and finds none; it only sees that Volatility is about to be imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Leave every module to the finders that follow."""
        if name == "volatility3.plugins":
            _show_plugins()
        elif name == "volatility3":
            _remove_leftover()


def _show_plugins() -> None:
    """Put our folder last, so that no plugin of Volatility's own or of the user's is hidden."""
    try:
        from volatility3.framework.constants import PLUGINS_PATH, VERSION_MAJOR, VERSION_MINOR
    except ImportError:
        return  # the import that is under way says why
    folder = plugin_folder()
    if OLDEST <= (VERSION_MAJOR, VERSION_MINOR) < BEYOND and folder not in PLUGINS_PATH:
        PLUGINS_PATH.append(folder)


def _remove_leftover() -> None:
    """Remove :data:`LEFTOVER` and what is empty above it: it hides a Volatility that ``pip install -e`` installed.

    Only empty folders can be removed so; where Volatility itself lies here, nothing is.
    """
    try:
        os.removedirs(LEFTOVER)
    except OSError:  # not there, not empty, or not ours to change
        return


def start() -> None:
    """Begin to watch."""
    sys.meta_path.insert(0, Watcher())
