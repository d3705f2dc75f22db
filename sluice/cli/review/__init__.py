"""`sluice diff`: what a pull request changes."""
