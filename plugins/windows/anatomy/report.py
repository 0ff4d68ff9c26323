"""The plugin windows.anatomy.report."""

from volatility3.framework import interfaces

from process_anatomy.views.report import VIEW
from process_anatomy.volatility import Anatomy


class Report(Anatomy, interfaces.plugins.PluginInterface):
    """Writes one page with every view of the image: pictures, explanations, search, and no request to anywhere.

    The folder is the one that -o names; --svg writes the diagram of each process too.
    """

    view = VIEW
