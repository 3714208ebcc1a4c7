"""Whether training on this machine's GPU is right, and how fast it is; see ``__main__``."""
