"""Sweeps of a server: a process of its own drives them, through the queue of its Lab."""
