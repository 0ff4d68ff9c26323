"""The plugin windows.anatomy.pages."""

from volatility3.framework import interfaces

from process_anatomy.views.pages import VIEW
from process_anatomy.volatility import Anatomy


class Pages(Anatomy, interfaces.plugins.PluginInterface):
    """Counts the pages of each range by state and by the rights that page tables give, compared with VADs, explained.

    One row for each VAD, and one for each run of present pages that no VAD covers. Numbers are pages of 4 KB.
    """

    view = VIEW
