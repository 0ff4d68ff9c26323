"""The plugin windows.anatomy.modules."""

from volatility3.framework import interfaces

from process_anatomy.views.modules import VIEW
from process_anatomy.volatility import Anatomy


class Modules(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the modules of each process, explained: the loader's lists beside the images that are mapped.

    Columns up to LoadTime are those of windows.dlllist, those from InLoad to MappedPath those of windows.ldrmodules.
    """

    view = VIEW
