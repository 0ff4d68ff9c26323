"""Open handles: tables, entries, what each leads to, its name and the rights that it gives."""
