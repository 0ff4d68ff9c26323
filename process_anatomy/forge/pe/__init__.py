"""Executables: headers, and what stands in their pages."""
