"""Requests to endpoints as values: routes, headers, credentials, traffic, admission and their metrics."""
