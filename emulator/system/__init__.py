"""The machine below: files, locks, environments of child processes, removal of folder trees, files of the package."""
