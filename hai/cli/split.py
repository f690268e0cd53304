"""Where the program's command line ends and ours begins, in `hai-cli python|bash|exec`. Pure.

python train.py -x 1 -- -n 2      cluster: options of ours follow `--`
python train.py -x 1 ++ -ss 10    simulate: options of ours follow `++`
python train.py -x 1              local: everything is the program's
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hai.errors import InvalidInput


class RunMode(StrEnum):
    LOCAL = "local"
    CLUSTER = "cluster"
    SIMULATE = "simulate"


SEPARATORS = {"--": RunMode.CLUSTER, "++": RunMode.SIMULATE}


@dataclass(frozen=True, slots=True)
class Split:
    """`program` is FILE and its arguments, untouched; `options` are ours."""

    mode: RunMode
    program: tuple[str, ...]
    options: tuple[str, ...]


def split_command(args: Sequence[str]) -> Split:
    """Raises InvalidInput on a second separator: guessing could submit something else."""
    places = [index for index, word in enumerate(args) if word in SEPARATORS]
    if not places:
        return Split(RunMode.LOCAL, tuple(args), ())
    if len(places) > 1:
        words = " and ".join(f"`{args[index]}`" for index in places[:2])
        raise InvalidInput(
            f"{words} both appear: only one separator is possible here",
            hint="`--` submits to the cluster, `++` simulates; a program that needs its own `--` "
            "is submitted with `hai-cli run FILE.yaml`",
        )
    cut = places[0]
    return Split(SEPARATORS[args[cut]], tuple(args[:cut]), tuple(args[cut + 1 :]))
