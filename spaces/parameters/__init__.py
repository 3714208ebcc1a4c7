"""Parameters that several spaces vary."""
