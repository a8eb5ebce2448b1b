"""The prompt that the program begins with: one that the embedded model draws well at any seed."""

FIRST_PROMPT = "a detective, 3d icon"
