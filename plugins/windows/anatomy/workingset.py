"""The plugin windows.anatomy.workingset."""

from volatility3.framework import interfaces

from process_anatomy.views.workingset import VIEW
from process_anatomy.volatility import Anatomy


class WorkingSet(Anatomy, interfaces.plugins.PluginInterface):
    """Compares the kernel's working set counts with each process's page tables, explained."""

    view = VIEW
