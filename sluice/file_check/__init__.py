"""A file held against a contract before it is delivered: the verdict of a run, without database, server or project."""
