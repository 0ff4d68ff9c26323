"""The plugin windows.anatomy.csrss."""

from volatility3.framework import interfaces

from process_anatomy.views.csrss import VIEW
from process_anatomy.volatility import Anatomy


class Csrss(Anatomy, interfaces.plugins.PluginInterface):
    """Lists the CSR_PROCESSes that each csrss.exe keeps in its own address space, explained."""

    view = VIEW
