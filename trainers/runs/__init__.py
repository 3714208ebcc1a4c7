"""One configuration trained in one folder: checkpoints, history, resume."""
