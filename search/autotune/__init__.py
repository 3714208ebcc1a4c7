"""What a search measures before it starts: devices, how to compute, epochs that fit the time."""
