"""The rows of a dataset in the lake: its tables, a load's branch, quarantine, loads of before."""
