"""Methods for images with several possible labels each."""
