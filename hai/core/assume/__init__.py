"""Decisions that are assumed on the scheduler's state and taken back."""
