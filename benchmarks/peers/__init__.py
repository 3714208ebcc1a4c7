"""What a user would run instead, written in the way its own documentation shows."""
