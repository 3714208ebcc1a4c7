"""What to try next and what to cut: samplers and pruners, from a table each."""
