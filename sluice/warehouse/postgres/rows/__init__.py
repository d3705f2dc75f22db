"""The tables of a dataset and the rows of a batch in them."""
