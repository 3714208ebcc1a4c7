"""What a study carries for the dashboard: notes, plots, and files of each trial."""
