"""Running a study's trials: asked for, reported, finished. Never imports Ray."""
