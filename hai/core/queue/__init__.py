"""The waiting claims of a group: who is eligible, in which line they stand, who is served next."""
