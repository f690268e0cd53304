"""`hai-up backup` and `hai-up restore`: the same on every provider."""
