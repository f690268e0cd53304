"""The nodes of a group: free, leaving and held, by zone and leaf; which of them somebody gets."""
