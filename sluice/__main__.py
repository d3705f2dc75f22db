"""`python -m sluice ...` is `sluice ...`."""

from sluice.cli.app import main

if __name__ == "__main__":
    main()
