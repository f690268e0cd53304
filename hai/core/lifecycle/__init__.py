"""The states of a task and of its attempts: what is legal when, and what each event changes."""
