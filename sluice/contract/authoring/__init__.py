"""How a contract file is written."""
