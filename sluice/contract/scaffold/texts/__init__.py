"""The texts that a draft is written as. Pure."""
