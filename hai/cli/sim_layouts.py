"""How the figures of a simulation look in tables. Pure. Times are seconds, as in the traces."""

from collections.abc import Mapping
from typing import Any

from hai.console.output import Column, ListLayout

Item = Mapping[str, Any]
MOST_USERS = 10

_FIELDS = (
    "trace", "policy", "policy_version", "nodes", "gpus_per_node", "vc", "tick_s",
    "suspend_cost_s", "checkpoint_every_s", "tasks", "avg_jct_s", "p50_jct_s", "p99_jct_s",
    "max_jct_s", "avg_wait_s", "p50_wait_s", "p99_wait_s", "max_wait_s", "avg_first_wait_s",
    "p50_first_wait_s", "p99_first_wait_s", "max_first_wait_s", "queued", "occupancy",
    "occupancy_in_demand", "demand_share", "goodput", "suspensions", "suspended_tasks",
    "most_suspensions", "most_suspensions_in_slice", "lost_node_s", "begin_s", "end_s", "span_s",
    "left_out", "by_gang", "by_user",
)  # fmt: skip


def _seconds(key: str) -> Any:
    return lambda item: "-" if item.get(key) is None else f"{item[key]:,.1f}"


def _count(key: str) -> Any:
    return lambda item: "-" if item.get(key) is None else f"{item[key]:,.0f}"


def _percent(key: str) -> Any:
    return lambda item: percent(item.get(key))


def _ratio(key: str) -> Any:
    return lambda item: "-" if item.get(key) is None else f"{item[key]:.2f}"


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f} %"


def result_layout() -> ListLayout:
    """One row per simulation."""
    columns = (
        Column("policy", "POLICY"),
        Column("tasks", "TASKS", _count("tasks"), right=True),
        Column("avg_jct_s", "AVG_JCT", _seconds("avg_jct_s"), right=True),
        Column("avg_wait_s", "AVG_WAIT", _seconds("avg_wait_s"), right=True),
        Column("p99_wait_s", "P99_WAIT", _seconds("p99_wait_s"), right=True),
        Column("occupancy", "OCCUPANCY", _percent("occupancy"), right=True),
        Column("suspensions", "SUSPENSIONS", _count("suspensions"), right=True),
        Column("lost_node_s", "LOST_NODE_S", _count("lost_node_s"), right=True),
    )
    return ListLayout(columns, "policy", _FIELDS)


def comparison_layout() -> ListLayout:
    """Rows of `sim compare`; ratios are to the first row."""
    columns = (
        Column("policy", "POLICY"),
        Column("trace", "TRACE", wide=True),
        Column("nodes", "NODES", right=True, wide=True),
        Column("tasks", "TASKS", _count("tasks"), right=True, wide=True),
        Column("avg_jct_s", "AVG_JCT", _seconds("avg_jct_s"), right=True),
        Column("jct_ratio", "RATIO", _ratio("jct_ratio"), right=True),
        Column("avg_wait_s", "AVG_WAIT", _seconds("avg_wait_s"), right=True),
        Column("wait_ratio", "RATIO", _ratio("wait_ratio"), right=True, wide=True),
        Column("p99_wait_s", "P99_WAIT", _seconds("p99_wait_s"), right=True),
        Column("p99_ratio", "RATIO", _ratio("p99_ratio"), right=True, wide=True),
        Column("wide_p99_wait_s", "P99_WAIT_8+", _seconds("wide_p99_wait_s"), right=True),
        Column("wide_p99_ratio", "RATIO", _ratio("wide_p99_ratio"), right=True),
        Column("occupancy", "OCCUPANCY", _percent("occupancy"), right=True, wide=True),
        Column("occupancy_in_demand", "FULL", _percent("occupancy_in_demand"), right=True),
        Column("goodput", "GOODPUT", _percent("goodput"), right=True, wide=True),
        Column("suspensions", "SUSPENDS", _count("suspensions"), right=True),
        Column("most_suspensions", "MOST", _count("most_suspensions"), right=True, wide=True),
        Column("lost_node_s", "LOST_NODE_S", _count("lost_node_s"), right=True, wide=True),
    )
    extra = ("jct_ratio", "wait_ratio", "p99_ratio", "wide_p99_wait_s", "wide_p99_ratio")
    return ListLayout(columns, "policy", (*_FIELDS, *extra))


def spread_layout() -> ListLayout:
    """Rows: JCT, wait, first wait."""
    columns = (
        Column("what", "SECONDS"),
        *(
            Column(key, key.upper(), _seconds(key), right=True)
            for key in ("avg", "p50", "p99", "max")
        ),
    )
    return ListLayout(columns, "what", ("what", "avg", "p50", "p99", "max"))


def part_layout(name: str, header: str) -> ListLayout:
    """Rows by gang size or by user."""
    columns = (
        Column(name, header),
        Column("tasks", "TASKS", _count("tasks"), right=True),
        Column("avg_jct_s", "AVG_JCT", _seconds("avg_jct_s"), right=True),
        Column("p50_jct_s", "P50_JCT", _seconds("p50_jct_s"), right=True, wide=True),
        Column("p99_jct_s", "P99_JCT", _seconds("p99_jct_s"), right=True, wide=True),
        Column("avg_wait_s", "AVG_WAIT", _seconds("avg_wait_s"), right=True),
        Column("p50_wait_s", "P50_WAIT", _seconds("p50_wait_s"), right=True),
        Column("p99_wait_s", "P99_WAIT", _seconds("p99_wait_s"), right=True),
        Column("suspensions", "SUSPENDS", _count("suspensions"), right=True),
        Column("most_suspensions", "MOST", _count("most_suspensions"), right=True),
    )
    return ListLayout(columns, name, tuple(column.key for column in columns))


def spreads(result: Item) -> list[dict[str, Any]]:
    """The rows of spread_layout."""
    names = (("JCT", "jct"), ("wait", "wait"), ("first wait", "first_wait"))
    return [
        {"what": what, **{key: result[f"{key}_{name}_s"] for key in ("avg", "p50", "p99", "max")}}
        for what, name in names
    ]


def headline(result: Item) -> str:
    """What was simulated, in one line."""
    vc = f", {result['vc']}" if result["vc"] else ""
    tick = f", decisions every {result['tick_s']:g} s" if result["tick_s"] else ""
    return (
        f"{result['policy']} on {result['trace']}{vc}: {result['tasks']:,} tasks, "
        f"{result['nodes']} nodes of {result['gpus_per_node']} GPUs{tick}\n\n"
    )


def parts(figures: Mapping[str, Item], name: str) -> list[Item]:
    """The rows of part_layout."""
    return [{name: label, **figure} for label, figure in figures.items()]


def facts(result: Item) -> list[str]:
    """The lines below the first table."""
    full, share = result["occupancy_in_demand"], result["demand_share"]
    per_task = result["suspensions"] / result["tasks"]
    most = f"at most {result['most_suspensions']} of one task"
    if result.get("most_suspensions_in_slice"):
        most += f", {result['most_suspensions_in_slice']} within one slice"
    return [
        f"occupancy    {percent(result['occupancy'])}; {percent(full)} while there was demand for "
        f"the whole pool ({percent(share)} of the time)",
        f"goodput      {percent(result['goodput'])}",
        f"suspensions  {result['suspensions']:,} ({per_task:.2f} per task; {most})",
        f"lost         {result['lost_node_s']:,.0f} node-seconds",
        f"queued       {result['queued']:,} tasks did not start at once",
    ]
