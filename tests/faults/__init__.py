"""Crashes, hostile input and lost answers: each was seen once, and cannot be again."""
