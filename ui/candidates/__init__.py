"""The room of the page Candidates."""
