"""The Runs page's views."""
