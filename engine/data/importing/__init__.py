"""Files to the image cache: what a folder means, which files are images, and what was left out."""
