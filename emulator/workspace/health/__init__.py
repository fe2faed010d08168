"""Containers that serve: watched, explained, and started again after a crash."""
