"""What a task can do from inside its pod."""
