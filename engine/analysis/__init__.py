"""Stored arrays to numbers for figures. numpy and scikit-learn; no torch, so pages may ask directly."""
