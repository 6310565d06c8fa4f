"""Reports: resolved queries answered from the store, as values."""
