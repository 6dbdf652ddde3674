"""What a step is, for each kind of method."""
