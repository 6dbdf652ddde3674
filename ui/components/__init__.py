"""What runs in the browser: figures that stay, galleries, the player."""
