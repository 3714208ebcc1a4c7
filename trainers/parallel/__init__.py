"""One trial in several processes."""
