"""What weights files hold, read with the standard library only: safetensors and GGUF headers, checked pickles.

Nothing here imports torch or runs anything of a file. Every damage is a `BadFile` that names file and remedy.
"""
