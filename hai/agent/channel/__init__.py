"""The byte streams between a client and a worker, both of whose ends are this package.

Standard library only, Python >= 3.8: the agent has nothing else. The client uses it as well, so
that neither end is written twice.
"""
