"""The Docker engine: images with BuildKit, containers with the SDK."""
