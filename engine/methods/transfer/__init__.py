"""Methods that build on features learned before."""
