"""The seam to Volatility: its layers become physical memory, its options become requests, our rows its cells.

The only package of the engine that imports volatility3.
"""

from process_anatomy.views.shown import safe_text
from process_anatomy.volatility.cells import grid
from process_anatomy.volatility.opening import open_kernel, open_path
from process_anatomy.volatility.options import process_ids, repeated_option
from process_anatomy.volatility.page_tables import KernelTablesStacker
from process_anatomy.volatility.plugin import Anatomy, PluginError, stock_privilege_descriptions

__all__ = [
    "Anatomy",
    "KernelTablesStacker",
    "PluginError",
    "grid",
    "open_kernel",
    "open_path",
    "process_ids",
    "repeated_option",
    "safe_text",
    "stock_privilege_descriptions",
]
