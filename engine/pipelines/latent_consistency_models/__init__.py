"""Stable Diffusion distilled to a few steps."""
