"""What hai-up says at the end of a run: the next lines to type."""


def next_steps(user: str, new_token: str, url: str, platform_path: str) -> list[str]:
    """`new_token`: shown this once; "": the user has one."""
    lines = [f"the token of {user}, shown this once: {new_token}"] if new_token else []
    return [
        *lines,
        "next:",
        f"  hai-cli init ${{TOKEN}} --url {url or 'http://${HAI_SERVER_ADDR}'}",
        f"  hai-cli python {platform_path}/workspace/{user}/test.py -- -n 1",
    ]
