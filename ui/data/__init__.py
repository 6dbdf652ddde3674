"""Bringing images in."""
