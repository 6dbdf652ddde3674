"""One image from a file, safely, and brought to a size."""
