"""The plugin windows.anatomy.privileges."""

from volatility3.framework import interfaces

from process_anatomy.views.privileges import VIEW
from process_anatomy.volatility import Anatomy


class Privileges(Anatomy, interfaces.plugins.PluginInterface):
    """Lists what each process, and each thread that impersonates, may do, explained, without symbols.

    The columns up to Description are those of windows.privileges.
    """

    view = VIEW
