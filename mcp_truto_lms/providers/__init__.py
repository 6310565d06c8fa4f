"""Sources: a provider's API behind one protocol, its routes, paging, limits, retries and mapping hidden."""
