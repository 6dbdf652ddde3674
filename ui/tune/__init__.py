"""The Tune page's form and views."""
