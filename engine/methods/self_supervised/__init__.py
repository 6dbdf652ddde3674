"""Methods that learn features without any label."""
