"""Every command by name: where it lives and its one help line, so that help loads none of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """`module` is below hai.cli.commands; a module of several verbs serves each by its name."""

    module: str
    section: str
    summary: str


_RUN = "Run"
_TASKS = "Tasks"
_CLUSTER = "Cluster"
_SETUP = "You and your set-up"

CATALOG = {
    "python": CommandEntry(
        "launch", _RUN, "Run a Python file: here, simulated (++) or on the cluster (--)"
    ),
    "bash": CommandEntry("launch", _RUN, "The same for a bash script"),
    "exec": CommandEntry("launch", _RUN, "The same for an executable"),
    "run": CommandEntry("run", _RUN, "Submit a run document (YAML, version 2)"),
    "list": CommandEntry("tasks", _TASKS, "List tasks, newest first"),
    "status": CommandEntry("tasks", _TASKS, "One task and its workers"),
    "describe": CommandEntry("tasks", _TASKS, "All about one task: document, attempts, reasons"),
    "why": CommandEntry("why", _TASKS, "Why a task waits, what would help, when it may start"),
    "logs": CommandEntry("logs", _TASKS, "Show or follow the output of a task"),
    "shell": CommandEntry("shell", _TASKS, "A shell, or one command, in a running task"),
    "ssh": CommandEntry(
        "ssh", _TASKS, "OpenSSH into a running task; --config for scp, rsync, VS Code"
    ),
    "port-forward": CommandEntry(
        "forward", _TASKS, "Ports of a running task at this machine's loopback"
    ),
    "cp": CommandEntry("copying", _TASKS, "Copy files out of a running task, or into it"),
    "dev": CommandEntry("dev", _TASKS, "Dev containers: JupyterLab as a task, in your browser"),
    "wait": CommandEntry("wait", _TASKS, "Wait until tasks end; exit with their exit code"),
    "stop": CommandEntry("control", _TASKS, "End tasks"),
    "suspend": CommandEntry(
        "control", _TASKS, "Let tasks save and leave their nodes until resumed"
    ),
    "resume": CommandEntry("control", _TASKS, "Put suspended tasks back in the queue"),
    "priority": CommandEntry("control", _TASKS, "Change the priority of a task"),
    "events": CommandEntry("events", _TASKS, "What happened, when, and why"),
    "top": CommandEntry("top", _CLUSTER, "The dashboard: cluster, queue, logs, and acting on them"),
    "nodes": CommandEntry(
        "nodes", _CLUSTER, "List nodes and who works on them; cordon, drain, resume (admin)"
    ),
    "quota": CommandEntry("quota", _CLUSTER, "Show or set how many nodes users may hold"),
    "images": CommandEntry("images", _CLUSTER, "Images that tasks may run in; add, remove (admin)"),
    "mounts": CommandEntry(
        "mounts", _CLUSTER, "Files that tasks find mounted; add, remove (admin)"
    ),
    "users": CommandEntry("users", _CLUSTER, "List and add users and their tokens (admin)"),
    "sim": CommandEntry("sim", _CLUSTER, "Replay a trace of jobs under a scheduling policy"),
    "init": CommandEntry("init", _SETUP, "Store server and token, after checking them"),
    "whoami": CommandEntry("whoami", _SETUP, "Who you are and what you may use"),
    "completion": CommandEntry("completion", _SETUP, "Set up Tab completion for your shell"),
    "version": CommandEntry("version", _SETUP, "Versions of client and server"),
    "help": CommandEntry("help", _SETUP, "Help on a command or topic (exit-codes, modes, formats)"),
}
ALIASES = {"ls": "list", "ps": "list", "log": "logs", "jupyter": "dev"}


def canonical(name: str) -> str:
    """The command that an alias stands for; other names stay."""
    return ALIASES.get(name, name)
