"""The options of `hai-cli python|bash|exec`, each of one mode only."""

from typing import Annotated

from hai.cli.complete import complete_groups, complete_priorities, complete_tasks
from hai.console.commands import option

_CLUSTER = "Cluster options, after --"
_SCHEDULING = "When and how often (on the cluster)"
_SIMULATE = "Simulate options, after ++"

Name = Annotated[
    str | None,
    option("--name", metavar="NAME", help="Default: the name of FILE.", panel=_CLUSTER),
]
Nodes = Annotated[
    int,
    option("-n", "--nodes", metavar="N", help="Whole nodes.", panel=_CLUSTER, show_default=True),
]
TargetGroup = Annotated[
    str | None,
    option(
        "-g",
        "--group",
        metavar="GROUP",
        help="Group of nodes.",
        panel=_CLUSTER,
        show_default="the server's",
        autocompletion=complete_groups,
    ),
]
TargetPriority = Annotated[
    str | None,
    option(
        "-p",
        "--priority",
        metavar="LEVEL",
        help="Name or number, e.g. HIGH or 30; AUTO or -1 is the highest with quota left.",
        panel=_CLUSTER,
        show_default="HIGH, 30",
        autocompletion=complete_priorities,
    ),
]
Image = Annotated[
    str | None,
    option(
        "-i",
        "--image",
        metavar="IMAGE",
        help="Container image.",
        panel=_CLUSTER,
        show_default="default",
        envvar="MARSV2_TASK_BACKEND",
    ),
]
Environments = Annotated[
    list[str] | None,
    option(
        "-e",
        "--environments",
        metavar="NAME=VALUE",
        help="Environment variable; repeatable.",
        panel=_CLUSTER,
    ),
]
DocumentOptions = Annotated[
    list[str] | None,
    option(
        "--options",
        metavar="A.B=VALUE",
        help="Option of the document, the value is YAML; repeatable.",
        panel=_CLUSTER,
    ),
]
After = Annotated[
    list[str] | None,
    option(
        "--after",
        metavar="[MODE:]TASK[,TASK]",
        help="Wait until TASK has succeeded (afterok:, the default) or ended (afterany:); "
        "repeatable.",
        panel=_SCHEDULING,
        autocompletion=complete_tasks,
    ),
]
Array = Annotated[
    str | None,
    option(
        "--array",
        metavar="INDICES",
        help="One task per index: 0-99, 1,3,5-9, 0-10:2; %10 behind it runs 10 at once.",
        panel=_SCHEDULING,
    ),
]
TimeLimit = Annotated[
    str | None,
    option(
        "--time", metavar="TIME", help="Longest running time: 90s, 2h, 1h30m.", panel=_SCHEDULING
    ),
]
Retry = Annotated[
    int | None,
    option(
        "--retry", metavar="N", help="Try a failed task again, N times at most.", panel=_SCHEDULING
    ),
]
NoInherit = Annotated[
    bool,
    option(
        "--no_inherit",
        "--no-inherit",
        help="Do not use the Python environment that this shell is in.",
        panel=_CLUSTER,
    ),
]
Env = Annotated[
    str | None,
    option(
        "--env",
        metavar="NAME",
        help="Environment of haienv, NAME or NAME[USER]: every attempt runs as it is now.",
        panel=_CLUSTER,
        show_default="the shell's",
    ),
]
EnvFollow = Annotated[
    bool,
    option(
        "--env-follow",
        help="Each attempt takes what the environment is by then.",
        panel=_CLUSTER,
    ),
]
Follow = Annotated[bool, option("-f", "--follow", help="Follow output and states.", panel=_CLUSTER)]
Detach = Annotated[bool, option("--detach", help="Do not follow (the default).", panel=_CLUSTER)]
DryRun = Annotated[
    bool,
    option(
        "--dry-run",
        help="Submit nothing: print the document, and what would become of it.",
        panel=_CLUSTER,
    ),
]
SuspendSeconds = Annotated[
    int | None,
    option(
        "-ss",
        "--suspend_seconds",
        "--suspend-seconds",
        metavar="SECONDS",
        help="Give notice of a suspend after so long.",
        panel=_SIMULATE,
    ),
]
LifeState = Annotated[
    int,
    option(
        "-ls",
        "--life_state",
        "--life-state",
        metavar="N",
        help="The whole_life_state that the program finds.",
        panel=_SIMULATE,
        show_default=True,
    ),
]
