"""The Errors page's views."""
