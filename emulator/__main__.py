"""`amlemu`, and `python -m emulator`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; see emulator.cli."""
    from emulator.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
