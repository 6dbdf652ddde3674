"""A run that several processes train: the first one leads, the others follow it step by step."""
