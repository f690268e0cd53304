"""HAI: a time-sharing training platform for GPU clusters, driven from the terminal."""

__version__ = "0.1.0"
