"""Names of tensors in the layouts of CompVis, Stability AI and OpenCLIP, and in that of Diffusers, both ways.

Each map follows from the names that a file has, not from a configuration, so that models of any depth go through it.
"""
