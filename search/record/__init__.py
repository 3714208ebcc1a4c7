"""What a study says of itself, and what its trials came to."""
