"""`scripts/mutants`: tries mutants chosen by a seed, and says which ones no test noticed."""

import argparse
import json
import math
import os
import sys
import tempfile
from collections import Counter
from hashlib import sha256
from pathlib import Path

from scripts.mutation.mutate import Mutant, mutants_of
from scripts.mutation.trial import (
    SAID,
    copy_tree,
    run_tests,
    stop_shrinking,
    tests_of_core,
    warm_up,
    write_source,
)

ROOT = Path(__file__).parents[2]
MODULES = ("hai/core/queue/*.py", "hai/core/preemption/*.py", "hai/core/planner.py")
CANARY = "hai/core/planner.py"


def main() -> int:
    options = _options()
    sample = choose(options.seed, options.of)[: options.count]
    chosen = [mutant for mutant in sample if options.only in mutant.key]
    if options.list:
        print(*(mutant.key for mutant in chosen), sep="\n")
        return 0
    if not chosen:
        print("no mutant has that in its line: see scripts/mutants --list", file=sys.stderr)
        return 2
    done = _read(options.results, only_quick=options.quick)
    left = [mutant for mutant in chosen if mutant.key not in done]
    print(f"{len(chosen)} mutants, {len(chosen) - len(left)} of them tried before", flush=True)
    if left and not _try_all(left, options):
        return 1
    return _report(chosen, _read(options.results, only_quick=options.quick), options.at_least)


def choose(seed: int, count: int) -> list[Mutant]:
    """A sample without order: any beginning of it is a sample as well. A change of the source
    leaves in it what it does not touch."""
    every = [
        mutant
        for pattern in MODULES
        for path in sorted(ROOT.glob(pattern))
        for mutant in mutants_of(ROOT, os.fspath(path.relative_to(ROOT)))
    ]
    return sorted(every, key=lambda mutant: sha256(f"{seed} {mutant.key}".encode()).digest())[
        :count
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--of", type=int, default=600, help="size of the sample (600)")
    parser.add_argument("--count", type=int, default=600, help="try the first N of it (all)")
    parser.add_argument("--only", default="", help="those with this in their line (all)")
    parser.add_argument("--jobs", type=int, default=1, help="at a time (1)")
    parser.add_argument("--at-least", type=float, default=85, help="per cent to notice (85)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="leave out what takes long: a lower bound; a whole run tries its survivors again",
    )
    parser.add_argument("--list", action="store_true", help="only say which")
    parser.add_argument(
        "--results",
        type=Path,
        default=ROOT / "build" / "mutants.jsonl",
        help="what came of each; a second run goes on (build/mutants.jsonl)",
    )
    return parser.parse_args()


def _read(results: Path, *, only_quick: bool) -> dict[str, str]:
    """What came of each; who survived the quick tests alone is to be tried with all of them."""
    if not results.exists():
        return {}
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    return {
        row["mutant"]: row["result"]
        for row in rows
        if only_quick or not row["quick"] or row["result"] != "survived"
    }


def _try_all(left: list[Mutant], options: argparse.Namespace) -> bool:
    options.results.parent.mkdir(parents=True, exist_ok=True)
    warm_up()
    with tempfile.TemporaryDirectory(prefix="hai-mutants-") as folder:
        first = Path(folder) / "0"
        copy_tree(ROOT, first)
        stop_shrinking(first)
        tests = tests_of_core(first, only_quick=options.quick)
        limit = _limit(first, tests)
        if limit is None:
            return False
        workers = []
        for number in range(options.jobs):
            worker = os.fork()
            if worker == 0:
                code = 1
                try:
                    tree = Path(folder) / str(number + 1)
                    copy_tree(first, tree)
                    for mutant in left[number :: options.jobs]:
                        _note(options, mutant, *_try(tree, mutant, tests, limit))
                    code = 0
                finally:
                    os._exit(code)
            workers.append(worker)
        statuses = [os.waitpid(worker, 0)[1] for worker in workers]
    return not any(statuses)


def _limit(tree: Path, tests: list[str]) -> int | None:
    """Of processor time for one trial, in seconds; None if the tests fail without a mutant, or pass
    whatever the copy holds."""
    result, seconds = run_tests(tree, tests, 3600)
    if result != "survived":
        print((tree / SAID).read_text()[-2000:], file=sys.stderr)
        print("the tests fail without a mutant", file=sys.stderr)
        return None
    before = (tree / CANARY).read_text()
    write_source(tree, CANARY, "raise AssertionError\n")
    result, _ = run_tests(tree, tests, 3600)
    write_source(tree, CANARY, before)
    if result == "survived":
        print("the tests run something else than the copy", file=sys.stderr)
        return None
    print(f"the tests take {seconds:.1f} s of processor time", flush=True)
    return math.ceil(4 * seconds + 20)


def _try(tree: Path, mutant: Mutant, tests: list[str], limit: int) -> tuple[str, float]:
    before = (tree / mutant.path).read_text()
    write_source(tree, mutant.path, mutant.source)
    done = run_tests(tree, tests, limit)
    write_source(tree, mutant.path, before)
    return done


def _note(options: argparse.Namespace, mutant: Mutant, result: str, seconds: float) -> None:
    row = {
        "mutant": mutant.key,
        "result": result,
        "quick": options.quick,
        "cpu_seconds": round(seconds, 1),
    }
    with options.results.open("a") as file:
        file.write(json.dumps(row) + "\n")


def _report(chosen: list[Mutant], done: dict[str, str], at_least: float) -> int:
    for mutant in chosen:
        if done[mutant.key] == "survived":
            print(f"survived: {mutant.key}")
    counts = Counter(done[mutant.key] for mutant in chosen)
    noticed = len(chosen) - counts["survived"]
    ratio = 100 * noticed / len(chosen)
    print(f"{noticed} of {len(chosen)} noticed ({ratio:.1f} %), {counts['timeout']} by their time")
    return 0 if ratio >= at_least else 1


if __name__ == "__main__":
    sys.exit(main())
