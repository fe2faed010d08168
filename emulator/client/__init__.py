"""The client of the control API, and the uploads of a client on another machine."""
