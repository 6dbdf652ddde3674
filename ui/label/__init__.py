"""The Label page: which images, the board, what the labels are worth, and what can be done with them."""
