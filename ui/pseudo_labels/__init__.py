"""The Pseudo-labels page's views."""
