"""The commands' side of channels into running tasks."""
