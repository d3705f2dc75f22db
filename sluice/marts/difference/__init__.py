"""The candidate against what readers have: rows, keys, columns, samples; and how much of it needs no person."""
