"""How one setting is trained. Knows nothing of spaces, Optuna or Ray."""
