"""`sluice doctor`: checks of an installation."""
