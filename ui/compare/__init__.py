"""The Compare page's form and views."""
