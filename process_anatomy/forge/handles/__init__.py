"""What processes hold open."""
