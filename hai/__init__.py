"""HAI: a time-sharing training platform for GPU clusters, driven from the terminal."""

from hai.revision import with_revision

__version__ = "0.1.0"
__version__ = with_revision(__version__, __file__)
