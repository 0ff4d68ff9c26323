"""The plugin windows.anatomy.processes."""

from volatility3.framework import interfaces

from process_anatomy.views.processes import VIEW
from process_anatomy.volatility import Anatomy


class Processes(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the processes of an image, explained, without symbols.

    The list of active processes is followed forwards and backwards; SeenBy says which direction reached a
    process. The columns up to ExitTime are those of windows.pslist.
    """

    view = VIEW
