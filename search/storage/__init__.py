"""The study database and who works on it."""
