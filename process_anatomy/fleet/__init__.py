"""Images as cases for programs: their facts, and the rows of all views in files and databases."""
