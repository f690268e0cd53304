"""The platform as containers on this machine's Docker."""
