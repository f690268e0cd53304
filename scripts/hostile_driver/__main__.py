"""Attacks a platform of its own as a hostile user would, and checks that it stands and that nobody
else notices: `scripts/hostile [--on kubernetes] [--only ATTACK]`."""

import argparse
import sys

from scripts.hostile_driver.campaign import ENVIRONMENTS, Result, run


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/hostile", description=__doc__)
    parser.add_argument(
        "--on", choices=sorted(ENVIRONMENTS), default="local",
        help="what the platform stands on: this machine, or a cluster from scripts/testbed, where "
        "the attacks come from inside pods",
    )  # fmt: skip
    parser.add_argument(
        "--only", action="append", default=[], metavar="ATTACK", help="may be repeated; see --list"
    )
    parser.add_argument("--list", action="store_true", help="name the attacks and what must hold")
    asked = parser.parse_args(words)
    known = ENVIRONMENTS[asked.on].attacks
    if unknown := sorted(set(asked.only) - set(known)):
        parser.error(f"no such attack: {', '.join(unknown)}; there are: {', '.join(known)}")
    return asked


def summary(result: Result) -> str:
    tried = [verdict for verdict in result.verdicts if not verdict.is_skipped]
    skipped = len(result.verdicts) - len(tried)
    return f"{len(tried)} attacks, {skipped} skipped, {len(result.violations)} violations"


def main() -> int:
    """Exit code 1 when an attack got what it wanted."""
    asked = parse(sys.argv[1:])
    if asked.list:
        for name, attack in ENVIRONMENTS[asked.on].attacks.items():
            print(f"{name:26} {attack.promise}")
        return 0
    result = run(asked.on, tuple(asked.only), lambda line: print(line, flush=True))
    print(summary(result))
    for text in result.violations:
        print(f"VIOLATION {text}")
    if result.violations:
        print(f"its data and logs are kept in {result.folder}")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
