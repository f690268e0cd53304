"""Why tasks wait: a value for each reason (kinds), found from the scheduler's state (finding), as
JSON data (codec). hai.wording puts them into English."""
