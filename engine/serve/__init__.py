"""A run's model behind HTTP."""
