"""How a file of text is written, as its first bytes show it: what a draft proposes, and a contract states."""
