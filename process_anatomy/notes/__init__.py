"""Notes: the explanations that belong to columns, rows and words, as data."""

from process_anatomy.notes.library import FAMILIES, Level, Library, Note, NoteError, default

__all__ = ["FAMILIES", "Level", "Library", "Note", "NoteError", "default"]
