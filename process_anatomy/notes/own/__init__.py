"""The reader's own note: Markdown as Obsidian writes it, whose words stand where ours would, each cited by its line."""
