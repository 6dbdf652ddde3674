"""What methods are made of: losses, networks, tables."""
