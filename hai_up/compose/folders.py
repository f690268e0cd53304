"""Makes folders and secret files as root, for accounts that hai-up may not be.

Runs in a container of the platform's image, as the text of a command: `python3 -c TEXT`, with JSON
on standard input, so that no secret stands in a command line. Standard library only, and files are
written in a way of its own: the image may be of another version, with another `hai.files`.

Input: {"folders": [{"path", "uid", "mode"}], "seeds": [{"path", "uid", "text"}],
"files": {"folder", "uid", "texts": {name: text}}}. Folders and seeds that exist stay as they are;
in the files' folder nothing else stays. Output: JSON, what was made or changed.
"""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

FILE_MODE = 0o400


def made_folders(rows: list[dict[str, Any]]) -> list[str]:
    changed = []
    for row in rows:
        path = Path(row["path"])
        if path.is_dir():
            continue
        path.mkdir(parents=True)
        os.chown(path, row["uid"], row["uid"])
        path.chmod(row["mode"])
        changed.append(str(path))
    return changed


def made_seeds(rows: list[dict[str, Any]]) -> list[str]:
    """Files that somebody else goes on with."""
    changed = []
    for row in rows:
        path = Path(row["path"])
        if path.exists():
            continue
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchown(handle, row["uid"], row["uid"])
            file.write(row["text"])
        changed.append(str(path))
    return changed


def written_files(folder: Path, uid: int, texts: dict[str, str]) -> list[str]:
    """Each whole or not at all, and never readable for others."""
    changed = []
    for name, text in texts.items():
        path = folder / name
        if is_right(path, uid, text):
            continue
        temporary = folder / f".{name}.new"
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchown(handle, uid, uid)
            file.write(text)
        temporary.replace(path)
        changed.append(str(path))
    for path in folder.iterdir():
        if path.name not in texts:
            path.unlink()
            changed.append(str(path))
    return changed


def is_right(path: Path, uid: int, text: str) -> bool:
    try:
        found = path.lstat()
        is_plain = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == FILE_MODE
        return is_plain and found.st_uid == uid and path.read_text("utf-8") == text
    except (OSError, ValueError):
        return False


def main() -> None:
    wanted = json.load(sys.stdin)
    files = wanted["files"]
    changed = made_folders(wanted["folders"])
    changed += made_seeds(wanted["seeds"])
    changed += written_files(Path(files["folder"]), files["uid"], files["texts"])
    json.dump(changed, sys.stdout)


if __name__ == "__main__":
    main()
