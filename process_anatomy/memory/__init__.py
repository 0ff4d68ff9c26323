"""Memory: physical pages, page tables, and the spaces of addresses that they make."""
