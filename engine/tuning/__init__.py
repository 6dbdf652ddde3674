"""Choosing settings by validation accuracy: what varies, the trials, what is left of a gain on new draws of labels."""
