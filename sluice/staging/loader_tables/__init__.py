"""Tables of the same database that another tool fills: their columns, their batches, a sample of their rows."""
