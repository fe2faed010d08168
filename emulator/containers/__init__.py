"""Scoring containers as values: what they are started with, how large they are, what they use and hand over."""
