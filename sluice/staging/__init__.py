"""The first round: write, audit, publish a batch."""
