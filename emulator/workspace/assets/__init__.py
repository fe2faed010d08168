"""Models, environments and uploads of a workspace."""
