"""The Start page: cards, experiments and presets, and how each begins a run."""
