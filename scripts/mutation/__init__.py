"""Mutation testing: the planner's tests must notice small changes of what they test."""
