"""The Predict page's views."""
