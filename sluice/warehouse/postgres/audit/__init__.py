"""Every check of a contract over one batch in the database."""
