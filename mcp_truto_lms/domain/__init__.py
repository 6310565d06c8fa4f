"""The unified model and what its words mean: nothing here reads an LMS, a store or a setting."""
