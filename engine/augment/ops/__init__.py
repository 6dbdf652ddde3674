"""Batched image operations, on the device: parameters per sample, exact to torchvision's."""
