"""Projections in a process of their own."""
