"""The plugin windows.anatomy.dt."""

from volatility3.framework import interfaces

from process_anatomy.views.dt import VIEW
from process_anatomy.volatility import Anatomy


class Dt(Anatomy, interfaces.plugins.PluginInterface):
    """Shows a structure field by field, like a debugger's dt: at an address, or that of a process.

    Without --address the structure is the one that belongs to each process of --pid (System without --pid):
    _EPROCESS, _TOKEN, _HANDLE_TABLE, _MMVAD_SHORT (the root), _PEB, _ETHREAD (the first thread) and others.
    """

    view = VIEW
