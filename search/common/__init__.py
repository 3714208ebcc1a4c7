"""What every room uses: errors, the file layout, numbers as text."""
