"""A platform as containers of one machine: options, the plan and what is rendered of it. Pure."""
