"""The plugin windows.anatomy.findings."""

from volatility3.framework import interfaces

from process_anatomy.views.findings import VIEW
from process_anatomy.volatility import Anatomy


class Findings(Anatomy, interfaces.plugins.PluginInterface):
    """Lists what does not fit together in each process, explained: evidence, innocent causes, ATT&CK technique."""

    view = VIEW
