"""The frame of every page, the server, and what is remembered between pages."""
