"""What a run looks like in a terminal, and in a log where there is none."""
