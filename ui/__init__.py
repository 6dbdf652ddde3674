"""What pages share: figures, the live figure, forms, galleries, colors, downloads."""
