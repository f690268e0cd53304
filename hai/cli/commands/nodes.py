"""hai-cli nodes."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any

import typer

from hai.cli.complete import complete_nodes
from hai.cli.layouts import nodes_layout
from hai.cli.refs import AssumeYes, DryRun, Group
from hai.cli.session import Session, verb, with_session
from hai.cli.watching import Watch, watching
from hai.console.commands import new_app, option
from hai.console.terminal import printable
from hai.errors import InvalidInput, NotFound
from hai.wording.amounts import amounts
from hai.wording.unknown import no_group

app = new_app()
_EXAMPLES = """
hai-cli nodes
hai-cli nodes --tree
hai-cli nodes -g training -o wide
hai-cli nodes drain node-3 --why 'new fans'
"""
Names = Annotated[
    list[str],
    typer.Argument(metavar="NODE...", help="Names of nodes.", autocompletion=complete_nodes),
]
Why = Annotated[str, option("--why", metavar="TEXT", help="A reason, for everybody to see.")]
_DONE = {
    "cordon": "takes no new work",
    "drain": "takes no new work",
    "resume": "is ready for work",
}


def nodes(
    session: Session,
    *,
    group: Group = None,
    tree: Annotated[bool, option("--tree", help="By group and switch.")] = False,
    watch: Watch = False,
) -> None:
    """List nodes, whether they are free, and who works on them. Admins take nodes out of work and
    back with the verbs below."""
    if session.context.invoked_subcommand is not None:
        return

    def show() -> None:
        found = session.client.call("nodes")["nodes"]
        chosen = _in_group(found, group)
        if tree and session.output.format.is_for_people:
            session.output.text(tree_text(chosen))
        else:
            session.output.rows(chosen, nodes_layout())
        if not watch:
            _sum_up(session, chosen)

    watching(session, show, watch=watch)


app.callback(invoke_without_command=True, epilog=_EXAMPLES)(with_session(nodes, lists=True))


@verb(app, "cordon", "hai-cli nodes cordon node-3 --why 'odd noises'", lists=True)
def cordon(
    session: Session,
    names: Names,
    *,
    why: Why = "",
    dry_run: DryRun = False,
    yes: AssumeYes = False,
) -> int:
    """Give nodes no new work; what runs there goes on (admins)."""
    return _change(session, "cordon", names, why, dry_run=dry_run)


@verb(app, "drain", "hai-cli nodes drain node-3 node-4 --why 'new fans' -y", lists=True)
def drain(
    session: Session,
    names: Names,
    *,
    why: Why = "",
    dry_run: DryRun = False,
    yes: AssumeYes = False,
) -> int:
    """Give nodes no new work and suspend what runs there; it goes on elsewhere (admins)."""
    if not dry_run and not yes and not _agreed(session, names):
        session.stderr.say("nothing was drained")
        return 1
    return _change(session, "drain", names, why, dry_run=dry_run)


@verb(app, "resume", "hai-cli nodes resume node-3", lists=True)
def resume(
    session: Session,
    names: Names,
    *,
    why: Why = "",
    dry_run: DryRun = False,
    yes: AssumeYes = False,
) -> int:
    """Give nodes work again, also those that are suspect (admins)."""
    return _change(session, "resume", names, why, dry_run=dry_run)


@verb(app, "uncordon", "hai-cli nodes uncordon node-3", lists=True)
def uncordon(
    session: Session,
    names: Names,
    *,
    why: Why = "",
    dry_run: DryRun = False,
    yes: AssumeYes = False,
) -> int:
    """The same as resume (admins)."""
    return _change(session, "resume", names, why, dry_run=dry_run)


def _holders(session: Session, names: Sequence[str]) -> list[Mapping[str, Any]]:
    """The nodes of these names, in that order; NotFound for the first that is none."""
    known = {node["name"]: node for node in session.client.call("nodes")["nodes"]}
    for name in names:
        if name not in known:
            raise NotFound(f"there is no node {name!r}", hint="hai-cli nodes lists them")
    return [known[name] for name in dict.fromkeys(names)]


def _agreed(session: Session, names: Sequence[str]) -> bool:
    """Whether the tasks that would have to leave may be asked to."""
    working = [node for node in _holders(session, names) if node.get("task_id") is not None]
    if not working:
        return True
    if not session.can_ask:
        raise InvalidInput(
            "draining suspends running tasks and needs a yes, and nobody can be asked here",
            hint="add --yes; --dry-run shows which tasks would have to move",
        )
    for node in working:
        session.stderr.say(f"would suspend: {_work(node)}")
    return session.ask(f"drain {len(names)} node{'' if len(names) == 1 else 's'}?")


def _work(node: Mapping[str, Any]) -> str:
    return f"task {node['task_id']} {node['task_name']!r} of {node['user']} on {node['name']}"


def _change(session: Session, action: str, names: Sequence[str], why: str, *, dry_run: bool) -> int:
    """Acts on every node, all of which must exist."""
    found = _holders(session, names)
    if dry_run:
        for node in found:
            moves = action == "drain" and node.get("task_id") is not None
            effect = f", and would suspend {_work(node)}" if moves else ""
            session.stderr.say(f"would {action} {node['name']}, now {node['health']}{effect}")
        session.stderr.say("dry run: nothing was changed")
        session.output.rows(found, nodes_layout())
        return 0
    changed = []
    for node in found:
        answer = session.client.call(f"node_{action}", body={"why": why}, name=node["name"])
        changed.append(answer["node"])
        leaving = ", ".join(f"task {task_id}" for task_id in answer["suspended"])
        told = f", and what runs there moves: {leaving}" if leaving else ""
        session.stderr.say(f"node {node['name']} {_DONE[action]}{told}")
    session.output.rows(changed, nodes_layout())
    return 0


def tree_text(nodes: Sequence[Mapping[str, Any]]) -> str:
    """Groups, below them their switches (where known), below them the nodes."""
    lines = []
    ordered = sorted(nodes, key=lambda node: (node["group"], node["leaf"]))
    for group, members in groupby(ordered, key=lambda node: str(node["group"])):
        held = list(members)
        lines.append(f"{printable(group)} ({_counts(held)})")
        for leaf, below in groupby(held, key=lambda node: str(node["leaf"])):
            indent = "  "
            if leaf:
                lines.append(f"  {printable(leaf)}")
                indent = "    "
            lines += [indent + _node_line(node) for node in below]
    return "".join(line + "\n" for line in lines)


def _node_line(node: Mapping[str, Any]) -> str:
    work = ""
    if node.get("task_id") is not None:
        work = f"  task {node['task_id']} {node.get('task_name') or ''} ({node.get('user') or '?'})"
        more = len(node.get("tasks") or ()) - 1
        work += f" and {more} more" if more > 0 else ""
    if node.get("free") is not None:
        work += f"  {amounts(node['free'])} free"
    return printable(f"{node['name']}  {node['status']}{work}")


def _counts(nodes: Sequence[Mapping[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for node in nodes:
        counts[str(node["status"])] = counts.get(str(node["status"]), 0) + 1
    parts = [f"{count} {status}" for status, count in sorted(counts.items())]
    return ", ".join([f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}", *parts])


def _in_group(nodes: Sequence[Mapping[str, Any]], group: str | None) -> Sequence[Mapping[str, Any]]:
    """NotFound if no node is in the group."""
    chosen = [node for node in nodes if group in (None, node["group"])]
    if group is not None and not chosen:
        raise no_group(group, {str(node["group"]) for node in nodes}, NotFound)
    return chosen


def _sum_up(session: Session, nodes: Sequence[Mapping[str, Any]]) -> None:
    if session.output.format.is_for_people:
        session.stderr.say(_counts(nodes) if nodes else "no nodes")
