"""The whole database out of one place and into another: docs/decisions/0021-own-dumps.md."""
