"""`hai-server import init.sql`: the original's seed rows, read as data and never run as SQL."""
