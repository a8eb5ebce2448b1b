"""Unconditional images by denoising diffusion."""
