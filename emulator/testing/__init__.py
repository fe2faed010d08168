"""The parts of the pytest plug-in: an emulator for the test run, and endpoints in it."""
