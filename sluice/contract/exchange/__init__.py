"""Contracts beside each other: what differs between two, and contracts of other standards as drafts of ours."""
