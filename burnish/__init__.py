"""Burnish makes an existing neural network more accurate, smaller and faster, with evidence for every step."""

__version__ = "0.1.0"
