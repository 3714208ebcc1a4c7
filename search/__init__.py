"""Which settings are tried, and what is kept."""
