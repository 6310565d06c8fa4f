"""The people file: HR's own dimensions of people."""
