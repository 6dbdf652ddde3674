"""What every page that opens a run needs."""
