"""amlemu: a local emulator of Azure Machine Learning real-time inference."""

__version__ = "0.1.0"
