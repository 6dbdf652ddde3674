"""Methods for a few labels and many unlabeled images, and their baseline."""
