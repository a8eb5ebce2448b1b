"""Unconditional images by denoising diffusion implicit models."""
