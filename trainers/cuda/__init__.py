"""What only a GPU needs: cards, memory, precision, graphs, figures of use."""
