"""Who trains a run: this process, or another."""
