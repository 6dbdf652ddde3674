"""Methods that let labels flow over a graph of neighbors."""
