"""The named spaces, one a report's experiment; ``spaces.SPACES`` is their table."""
