"""Data that deployments collect, from the container's sink to the store."""
