"""The object manager: types, headers, handle tables and named objects."""
