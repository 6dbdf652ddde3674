"""The loop, and the observers that watch it."""
