"""What the Label page computes on stored features: the head, what it is worth, and which images to label next."""
