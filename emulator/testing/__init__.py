"""What the pytest plug-in is made of: an emulator for the run of tests, and endpoints in it."""
