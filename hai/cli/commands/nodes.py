"""hai-cli nodes."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any

from hai.cli.framework import new_app, option
from hai.cli.layouts import nodes_layout
from hai.cli.refs import Group
from hai.cli.session import Session, verb
from hai.cli.terminal import printable
from hai.cli.watching import Watch, watching

app = new_app()


@verb(
    app,
    "nodes",
    """
    hai-cli nodes
    hai-cli nodes --tree
    hai-cli nodes -g training -o wide
    """,
    lists=True,
)
def nodes(
    session: Session,
    *,
    group: Group = None,
    tree: Annotated[bool, option("--tree", help="By group and switch.")] = False,
    watch: Watch = False,
) -> None:
    """List nodes, whether they are free, and who works on them."""

    def show() -> None:
        found = session.client.call("nodes")["nodes"]
        chosen = [node for node in found if group in (None, node["group"])]
        if tree and session.output.format.is_for_people:
            session.output.text(tree_text(chosen))
        else:
            session.output.rows(chosen, nodes_layout())
        if not watch:
            _sum_up(session, chosen)

    watching(session, show, watch=watch)


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
    return printable(f"{node['name']}  {node['status']}{work}")


def _counts(nodes: Sequence[Mapping[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for node in nodes:
        counts[str(node["status"])] = counts.get(str(node["status"]), 0) + 1
    parts = [f"{count} {status}" for status, count in sorted(counts.items())]
    return ", ".join([f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}", *parts])


def _sum_up(session: Session, nodes: Sequence[Mapping[str, Any]]) -> None:
    if session.output.format.is_for_people:
        session.stderr.say(_counts(nodes) if nodes else "no nodes")
