"""The layer of a kernel's page tables, from our own search: earlier and quicker than Volatility's, and only when sure.

Volatility looks at ranges of addresses that are known to hold the tables, word by word in Python: seconds for every
32-bit image.  The start block of processors and the process System say at once where they are.
"""

from __future__ import annotations

from volatility3.framework import constants, interfaces
from volatility3.framework.automagic.windows import WindowsIntelStacker
from volatility3.framework.layers import intel

from process_anatomy.volatility.layers import FiveLevelLayer, SmallDumpLayer, UnrecognisedLayer, on_top
from process_anatomy.volatility.opening import physical_memory

LAYERS: dict[str, type[intel.Intel]] = {
    "4-level": intel.WindowsIntel32e,
    "PAE": intel.WindowsIntelPAE,
    "32-bit": intel.WindowsIntel,
}
"""Name of a format of page tables to Volatility's layer of it; five levels have none."""
LOOKED_AT = 1 << 29
"""Octets from the start of memory that System is looked for in, before Volatility's stacker has its turn."""


class KernelTablesStacker(interfaces.automagic.StackerLayerInterface):
    """Stacks Volatility's own layer of the kernel's page tables where System, or the processors' start, names them."""

    stack_order = WindowsIntelStacker.stack_order - 1
    exclusion_list = WindowsIntelStacker.exclusion_list

    @classmethod
    def stack(
        cls,
        context: interfaces.context.ContextInterface,
        layer_name: str,
        progress_callback: constants.ProgressCallback = None,
    ) -> interfaces.layers.DataLayerInterface | None:
        """The layer, or ``None`` where the format of the image says the root itself, or the search is not sure.

        Of page tables of five levels, which Volatility has no layer for, it is the stand-in that our plugins take.
        """
        base = context.layers[layer_name]
        if isinstance(base, (intel.Intel, SmallDumpLayer, UnrecognisedLayer)):
            return None
        if base.metadata.get("page_map_offset") or base.metadata.get("os", None) not in ("Windows", "Unknown"):
            return None
        from process_anatomy.kernel.root_search import system_root

        root = system_root(physical_memory(context, layer_name), LOOKED_AT)
        kind = LAYERS.get(root.mode.name) if root else None
        if root is None:
            return None
        if kind is None:  # what Volatility's stacker would look for is not there
            return on_top(context, layer_name, FiveLevelLayer)
        name = context.layers.free_layer_name("IntelLayer")
        path = interfaces.configuration.path_join("IntelHelper", name)
        context.config[interfaces.configuration.path_join(path, "memory_layer")] = layer_name
        context.config[interfaces.configuration.path_join(path, "page_map_offset")] = root.address
        return kind(context, config_path=path, name=name, metadata={"os": "Windows"})
