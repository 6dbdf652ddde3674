"""The Space page's form and views."""
