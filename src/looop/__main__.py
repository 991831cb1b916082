"""`python -m looop` is the same program as the `looop` command."""

from looop.cli.main import script

if __name__ == "__main__":
    script()
