"""The engine: memory, kernel, walk, notes and forge."""
