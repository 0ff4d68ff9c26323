"""Physical frames, page tables, system space and the kernel's pools."""
