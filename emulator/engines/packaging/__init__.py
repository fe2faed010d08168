"""Python and conda packages: resolved, locked and fetched, for every engine."""
