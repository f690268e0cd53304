"""The waiting claims of a group: who is eligible, in which line they stand, and who is served next."""
