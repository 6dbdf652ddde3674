"""`engine.id_positions` under its earlier name, which the training loops import."""

from engine.id_positions import positions_of

__all__ = ["positions_of"]
