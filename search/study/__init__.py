"""The study and its database: what is asked of it, reported and told. Never imports Ray."""
