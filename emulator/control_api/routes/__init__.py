"""The routes of the control API, by resource."""
