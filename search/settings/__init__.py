"""What is asked for, checked and fully decided before any work starts."""
