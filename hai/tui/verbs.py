"""What can be done to the task that a screen means: look into it, stop it, change it.

Every change asks first and says what it will do; the answer of the server is told in one line.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from textual import work

from hai.errors import AuthRequired, HaiError, NotFound, TimedOut, Unavailable, Unreachable
from hai.tui.consequences import (
    LEVELS,
    NEWER,
    SHOWN,
    Effect,
    LevelChange,
    Prediction,
    Question,
    is_missing_route,
    level_beside,
    outcome,
    priority_question,
    stop_question,
    toggle_question,
)
from hai.tui.model import DashboardTask
from hai.tui.pages import document_page, why_page, without_secrets
from hai.tui.present import why_of
from hai.tui.screens.confirm import ConfirmScreen
from hai.tui.screens.view import View

_DONE = {
    "stop": Effect("is told to stop", "are told to stop"),
    "suspend": Effect("is told to save and leave", "are told to save and leave"),
    "resume": Effect("may run", "may run"),
}
_FOR_ALL = (AuthRequired, TimedOut, Unavailable, Unreachable)  # the next one would fare no better


class TaskVerbs(View):
    """Mixed into screens that know which tasks are meant."""

    def tasks_meant(self) -> Sequence[DashboardTask]:
        """The marked ones, or the current one; empty where there is none."""
        raise NotImplementedError

    def task_meant(self) -> DashboardTask | None:
        raise NotImplementedError

    def nothing_meant(self) -> str:
        """Why there is no task that a key could be for."""
        return "there is no task here"

    def _one(self) -> DashboardTask | None:
        task = self.task_meant()
        if task is None:
            self.hai.say(self.nothing_meant(), "warn")
        return task

    # looking

    def action_logs(self) -> None:
        if (task := self._one()) is not None:
            self.hai.open_logs(task.id)

    def action_previous(self) -> None:
        if (task := self._one()) is not None:
            self.hai.open_logs(task.id, previous=True)

    def action_copy(self) -> None:
        tasks = self.tasks_meant()
        if tasks:
            text = " ".join(str(task.id) for task in tasks)
            self.app.copy_to_clipboard(text)
            self.hai.say(f"copied: {text}", "run")

    def action_why(self) -> None:
        if (task := self._one()) is not None:
            self._why(task)

    @work(group="look", exclusive=True)
    async def _why(self, task: DashboardTask) -> None:
        try:
            answer = await self.hai.call("why", ref=task.id)
        except HaiError as error:
            if not is_missing_route(error):
                self.hai.tell(error)
                return
            answer = {"text": _plain_why(task), "lines": [NEWER + "; this is what the list knows"]}
        title, cli_equivalent = f"why task {task.id}", f"hai-cli why {task.id}"
        self.hai.open_text(title, lambda width: why_page(answer, width), cli_equivalent)

    def action_shell(self) -> None:
        if (task := self._task_that_runs()) is not None:
            self.hai.run_cli("shell", str(task.id))

    def action_forward(self) -> None:
        if (task := self._task_that_runs()) is not None:
            self.ask(
                "ports",
                f"ports of task {task.id}, as 8888 or HERE:THERE",
                lambda text: self.hai.forward(task.id, text.split()),
            )

    def _task_that_runs(self) -> DashboardTask | None:
        task = self._one()
        if task is not None and task.state != "running":
            self.hai.say(f"task {task.id} is {task.state}: nothing of it runs", "warn")
            return None
        return task

    def action_describe(self) -> None:
        if (task := self._one()) is not None:
            self.hai.open_task(task.id)

    def action_yaml(self) -> None:
        if (task := self._one()) is not None:
            self._yaml(task)

    @work(group="look", exclusive=True)
    async def _yaml(self, task: DashboardTask) -> None:
        import yaml

        try:
            detail = await self.hai.call("task", ref=task.id)
        except HaiError as error:
            self.hai.tell(error)
            return
        text: str = yaml.safe_dump(
            without_secrets(detail), sort_keys=False, allow_unicode=True, width=10_000
        )
        title, cli_equivalent = f"yaml of task {task.id}", f"hai-cli describe {task.id}"
        self.hai.open_text(title, lambda width: document_page(text, width), cli_equivalent)

    # changing

    def action_stop(self) -> None:
        tasks = self._unfinished()
        if tasks:
            self._act("stop", tasks, stop_question(tasks))

    def action_kill(self) -> None:
        tasks = self._unfinished()
        if tasks:
            self._act("stop", tasks, stop_question(tasks, typed=True))

    def action_suspend_or_resume(self) -> None:
        tasks = self._unfinished()
        if tasks:
            route, question = toggle_question(tasks)
            self._act(route, tasks, question)

    def _unfinished(self) -> list[DashboardTask]:
        meant = self.tasks_meant()
        tasks = [task for task in meant if not task.is_final]
        if not tasks:
            said = "the task here has ended" if meant else self.nothing_meant()
            self.hai.say(said, "warn")
        return tasks

    @work(group="act")
    async def _act(self, route: str, tasks: Sequence[DashboardTask], question: Question) -> None:
        if not await self.app.push_screen_wait(ConfirmScreen(question)):
            self.hai.say("nothing was changed")
            return
        await self._each(route, [(task, {"why": ""}) for task in tasks], _DONE[route])

    async def _each(
        self, route: str, asked: Sequence[tuple[DashboardTask, Mapping[str, str]]], told: Effect
    ) -> None:
        """Ask the server for one task after the other: a refusal of one is none of the rest."""
        done: list[Any] = []
        refused: list[HaiError] = []
        for task, body in asked:
            try:
                done.append(await self.hai.call(route, body=body, ref=task.id))
            except HaiError as error:
                refused.append(error)
                if isinstance(error, _FOR_ALL):
                    break
        if refused and len(asked) == 1:
            self.hai.tell(refused[0])
        else:
            self.hai.say(outcome(told, len(asked), done, refused), "bad" if refused else "run")

    def action_raise(self) -> None:
        self._step(1)

    def action_lower(self) -> None:
        self._step(-1)

    def _step(self, step: int) -> None:
        tasks = self._unfinished()
        levels = [(task, level_beside(task.priority, step)) for task in tasks]
        changes = [LevelChange(task, level) for task, level in levels if level is not None]
        if changes:
            self._change_priority(changes)
        elif tasks:
            self.hai.say(f"{tasks[0].priority} is the end of the scale", "warn")

    def action_edit(self) -> None:
        tasks = self._unfinished()
        if tasks:
            whose = f"task {tasks[0].id} (now {tasks[0].priority})"
            self.ask(
                "priority",
                f"priority of {whose if len(tasks) == 1 else f'{len(tasks)} tasks'}; Tab completes",
                lambda text: self._chosen(tasks, text),
                complete=lambda text: [p for p in LEVELS if p.startswith(text.upper())],
            )

    def _chosen(self, tasks: Sequence[DashboardTask], text: str) -> None:
        level = text.strip().upper()
        if level in LEVELS:
            self._change_priority([LevelChange(task, level) for task in tasks])
        elif level:
            self.hai.say(f"{text!r} is no priority: {', '.join(LEVELS)}", "warn")

    @work(group="act")
    async def _change_priority(self, changes: Sequence[LevelChange]) -> None:
        predictions = [await self._predicted(task, level) for task, level in changes[:SHOWN]]
        if len(changes) == 1 and isinstance(predictions[0], NotFound):
            self.hai.tell(predictions[0])
            return
        question = priority_question(changes, predictions)
        if not await self.app.push_screen_wait(ConfirmScreen(question)):
            self.hai.say("nothing was changed")
            return
        levels = {level for _, level in changes}
        now = f"for {levels.pop()} now" if len(levels) == 1 else "for another priority now"
        asked = [(task, {"priority": level}) for task, level in changes]
        await self._each("priority", asked, Effect(f"asks {now}", f"ask {now}"))

    async def _predicted(self, task: DashboardTask, level: str) -> Prediction:
        try:
            found: Prediction = await self.hai.call(
                "what_if", body={"priority": level}, ref=task.id
            )
        except HaiError as error:
            return HaiError(NEWER) if is_missing_route(error) else error
        return found


def _plain_why(task: DashboardTask) -> str:
    text = why_of(task)[0]
    if task.is_waiting:
        return f"task {task.id} {task.why or 'waits: ' + (text or 'the next turn decides')}"
    return f"task {task.id} is {task.state}{': ' + text if text else ''}"
