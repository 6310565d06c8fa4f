"""The arguments of the tools: from what a caller writes to frozen values."""
