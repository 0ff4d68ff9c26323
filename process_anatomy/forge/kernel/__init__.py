"""The kernel's image, its symbol table and the list of drivers."""
