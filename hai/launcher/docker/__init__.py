"""Workers as containers of this machine's Docker engine, and nodes that are shares of it."""
