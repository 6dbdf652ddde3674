"""Labels that are given inside FewLab: the log of them, what it says, and the images as they stand with them."""
