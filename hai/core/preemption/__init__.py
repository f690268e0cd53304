"""Active claims: who may be asked to leave, cheapest first, and who would come back above whom."""
