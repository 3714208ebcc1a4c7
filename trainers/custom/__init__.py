"""Training loops of the user's own: a function that yields its metrics once an epoch."""
