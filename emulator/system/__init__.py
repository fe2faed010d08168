"""The machine below: environments of child processes, removal of folder trees, files of the package."""
