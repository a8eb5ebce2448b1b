"""Stable Diffusion XL: two text encoders, and a model that is told the sizes of pictures."""
