"""Forms from JSON schemas."""
