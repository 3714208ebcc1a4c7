"""What a study comes to: tables, figures, pages. Reads the study and the trials' folders only."""
