"""The way in, as ``autograder`` and as ``python -m autograder``."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; whoever stops it while it is still being imported sees one line."""
    try:
        from autograder import cli

        cli.main()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted before anything had begun.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
