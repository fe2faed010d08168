"""amlemu: a local emulator of Azure Machine Learning real-time inference."""

__version__ = "0.2.0"
