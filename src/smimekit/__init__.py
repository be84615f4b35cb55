"""S/MIME for Python. This file holds the public names and nothing else."""

__all__ = ["__version__"]

__version__ = "0.1.0"
