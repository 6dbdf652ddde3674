"""Colors, formatting, illustrations."""
