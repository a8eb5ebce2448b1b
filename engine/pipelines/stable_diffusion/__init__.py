"""Stable Diffusion 1 and 2: latent diffusion guided by CLIP text."""
