"""The plugin windows.anatomy.completeness."""

from volatility3.framework import interfaces

from process_anatomy.views.completeness import VIEW
from process_anatomy.volatility import Anatomy


class Completeness(Anatomy, interfaces.plugins.PluginInterface):
    """Shows which of the six components of each process could be read whole, in part, or not.

    What a row cannot tell was not in the image: an absence there proves nothing.
    """

    view = VIEW
