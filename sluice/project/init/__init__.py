"""`sluice init`: what a project is made from, and how it is written."""
