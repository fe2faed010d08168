"""Deployments: planned, created, updated and deleted."""
