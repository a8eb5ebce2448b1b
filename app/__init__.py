"""Sfumato's front end: windows and panels that talk to the engine through one door."""
