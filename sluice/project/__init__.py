"""The user's project: its paths, contracts and fingerprints."""
