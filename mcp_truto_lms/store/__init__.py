"""The store: unified records that were read, in SQL. A scope is replaced whole; every answer is a query on it."""
