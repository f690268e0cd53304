"""Every command by name: where it lives and its one help line, so that help loads none of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """`module` is below hai.cli.commands; a module of several verbs serves each by its name."""

    module: str
    section: str
    summary: str


_RUN = "Run"
_TASKS = "Tasks"
_CLUSTER = "Cluster"
_SETUP = "You and your set-up"

CATALOG = {
    "python": Entry(
        "launch", _RUN, "Run a Python file: here, simulated (++) or on the cluster (--)"
    ),
    "bash": Entry("launch", _RUN, "The same for a bash script"),
    "exec": Entry("launch", _RUN, "The same for an executable"),
    "run": Entry("run", _RUN, "Submit a run document (YAML, version 2)"),
    "list": Entry("tasks", _TASKS, "List tasks, newest first"),
    "status": Entry("tasks", _TASKS, "One task and its workers"),
    "describe": Entry("tasks", _TASKS, "All about one task: document, attempts, reasons"),
    "why": Entry("why", _TASKS, "Why a task waits, what would help, when it may start"),
    "logs": Entry("logs", _TASKS, "Show or follow the output of a task"),
    "shell": Entry("shell", _TASKS, "A shell, or one command, in a running task"),
    "ssh": Entry("ssh", _TASKS, "OpenSSH into a running task; --config for scp, rsync, VS Code"),
    "port-forward": Entry("forward", _TASKS, "Ports of a running task at this machine's loopback"),
    "cp": Entry("copying", _TASKS, "Copy files out of a running task, or into it"),
    "dev": Entry("dev", _TASKS, "Dev containers: JupyterLab as a task, in your browser"),
    "wait": Entry("wait", _TASKS, "Wait until tasks end; exit with their exit code"),
    "stop": Entry("control", _TASKS, "End tasks"),
    "suspend": Entry("control", _TASKS, "Let tasks save and leave their nodes until resumed"),
    "resume": Entry("control", _TASKS, "Put suspended tasks back in the queue"),
    "priority": Entry("control", _TASKS, "Change the priority of a task"),
    "events": Entry("events", _TASKS, "What happened, when, and why"),
    "top": Entry("top", _CLUSTER, "The dashboard: cluster, queue, logs, and acting on them"),
    "nodes": Entry(
        "nodes", _CLUSTER, "List nodes and who works on them; cordon, drain, resume (admin)"
    ),
    "quota": Entry("quota", _CLUSTER, "Show or set how many nodes users may hold"),
    "images": Entry("images", _CLUSTER, "Images that tasks may run in; add, remove (admin)"),
    "mounts": Entry("mounts", _CLUSTER, "Files that tasks find mounted; add, remove (admin)"),
    "users": Entry("users", _CLUSTER, "List and add users and their tokens (admin)"),
    "sim": Entry("sim", _CLUSTER, "Replay a trace of jobs under a scheduling policy"),
    "init": Entry("init", _SETUP, "Store server and token, after checking them"),
    "whoami": Entry("whoami", _SETUP, "Who you are and what you may use"),
    "completion": Entry("completion", _SETUP, "Set up Tab completion for your shell"),
    "version": Entry("version", _SETUP, "Versions of client and server"),
    "help": Entry("help", _SETUP, "Help on a command or topic (exit-codes, modes, formats)"),
}
ALIASES = {"ls": "list", "ps": "list", "log": "logs", "jupyter": "dev"}


def canonical(name: str) -> str:
    """The command that an alias stands for; other names stay."""
    return ALIASES.get(name, name)
