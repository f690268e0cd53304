"""`hai-up backup` and `hai-up restore`: the same steps on a cluster and on one machine."""
