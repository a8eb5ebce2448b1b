"""Builders of training sets; each is a command of its own (`python -m engine.training.data.icons`)."""
