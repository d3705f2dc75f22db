"""What `sluice new` learns a dataset from: a file, a table that another tool fills, a function."""
