"""The plugin windows.anatomy.threads."""

from volatility3.framework import interfaces

from process_anatomy.views.threads import VIEW
from process_anatomy.volatility import Anatomy


class Threads(Anatomy, interfaces.plugins.PluginInterface):
    """Lists threads, explained: state, wait, flags, token, and the module, driver or memory that each starts in."""

    view = VIEW
