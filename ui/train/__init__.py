"""The Train page's form and views."""
