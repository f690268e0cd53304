"""Breaks a platform of its own at random moments, and checks from outside that nothing was lost,
nothing ran twice, nothing is left over: `scripts/chaos [--seconds S] [--faults N]`."""

import argparse
import os
import random
import statistics
import sys

from scripts.chaos_driver.campaign import ENVIRONMENTS, Order, Result, run


def parse(words: list[str]) -> Order:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, help="inject faults for so long (default 60)")
    parser.add_argument("--faults", type=int, help="end after so many faults")
    parser.add_argument("--seed", type=int, help="repeat the choices of another run")
    parser.add_argument(
        "--on", choices=sorted(ENVIRONMENTS), default="local",
        help="what the platform stands on: this machine, or a cluster from scripts/testbed",
    )  # fmt: skip
    known = {name: ", ".join(sorted(one.faults)) for name, one in ENVIRONMENTS.items()}
    parser.add_argument(
        "--only", action="append", default=[], metavar="KIND",
        help=f"these kinds alone; may be repeated: {known['local']}; "
        f"with --on kubernetes: {known['kubernetes']}",
    )  # fmt: skip
    asked = parser.parse_args(words)
    if unknown := sorted(set(asked.only) - set(ENVIRONMENTS[asked.on].faults)):
        parser.error(f"no such kind: {', '.join(unknown)}; there are: {known[asked.on]}")
    if asked.seconds is None and asked.faults is None:
        asked.seconds = 60.0
    if (asked.seconds or 0) < 0 or (asked.faults or 0) < 0:
        parser.error("--seconds and --faults cannot be negative")
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    return Order(asked.seconds, asked.faults, seed, tuple(asked.only), asked.on)


def repeat_command(order: Order, result: Result) -> str:
    only = "".join(f" --only {kind}" for kind in order.only)
    on = "" if order.environment == "local" else f" --on {order.environment}"
    return f"scripts/chaos{on} --seed {order.seed} --faults {max(1, result.faults)}{only}"


def summary(result: Result) -> str:
    lines = [f"{'fault':22} {'times':>5} {'p50':>7} {'longest':>8}   with recovery"]
    for kind, took in sorted(result.took.items()):
        middle, longest = statistics.median(took), max(took)
        lines.append(f"{kind:22} {len(took):5d} {middle:5.1f} s {longest:6.1f} s")
    lines += [f"{kind:22}  skipped: {why}" for kind, why in sorted(result.skipped.items())]
    lines.append(f"{result.faults} faults, {result.tasks} tasks, "
                 f"{len(result.violations)} violations")  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    """Exit code 1 when a promise was not kept."""
    order = parse(sys.argv[1:])
    print(f"seed {order.seed}, {os.cpu_count()} cores", file=sys.stderr)
    result = run(order, lambda line: print(line, file=sys.stderr, flush=True))
    print(summary(result))
    for text in result.violations:
        print(f"VIOLATION {text}")
    if result.violations:
        print(f"repeat with: {repeat_command(order, result)}")
        print(f"its data and logs are kept in {result.folder}")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
