"""What can be done to the task that a screen means: look into it, stop it, change it.

Every change asks first and says what it will do; the answer of the server is told in one line.
"""

from collections.abc import Sequence
from typing import Any

from textual import work

from hai.errors import HaiError, NotFound
from hai.tui.consequences import (
    LEVELS,
    NEWER,
    Question,
    is_missing_route,
    level_beside,
    priority_question,
    stop_question,
    toggle_question,
)
from hai.tui.model import Task
from hai.tui.pages import document_page, why_page, without_secrets
from hai.tui.present import why_of
from hai.tui.screens.confirm import ConfirmScreen
from hai.tui.screens.view import View

_DONE = {"stop": "is told to stop", "suspend": "is told to save and leave", "resume": "may run"}


class TaskVerbs(View):
    """Mixed into screens that know which tasks are meant."""

    def tasks_meant(self) -> Sequence[Task]:
        """The marked ones, or the current one; empty where there is none."""
        raise NotImplementedError

    def task_meant(self) -> Task | None:
        raise NotImplementedError

    def _one(self) -> Task | None:
        task = self.task_meant()
        if task is None:
            self.hai.say("there is no task here", "warn")
        return task

    # looking

    def do_logs(self) -> None:
        if (task := self._one()) is not None:
            self.hai.open_logs(task.id)

    def do_previous(self) -> None:
        if (task := self._one()) is not None:
            self.hai.open_logs(task.id, previous=True)

    def do_copy(self) -> None:
        tasks = self.tasks_meant()
        if tasks:
            text = " ".join(str(task.id) for task in tasks)
            self.hai.copy_to_clipboard(text)
            self.hai.say(f"copied: {text}", "run")

    def do_why(self) -> None:
        if (task := self._one()) is not None:
            self._why(task)

    @work(group="look", exclusive=True)
    async def _why(self, task: Task) -> None:
        try:
            answer = await self.hai.call("why", ref=task.id)
        except HaiError as error:
            if not is_missing_route(error):
                self.hai.tell(error)
                return
            answer = {"text": _plain_why(task), "lines": [NEWER + "; this is what the list knows"]}
        title, twin = f"why task {task.id}", f"hai-cli why {task.id}"
        self.hai.open_text(title, lambda width: why_page(answer, width), twin)

    def do_describe(self) -> None:
        if (task := self._one()) is not None:
            self.hai.open_task(task.id)

    def do_yaml(self) -> None:
        if (task := self._one()) is not None:
            self._yaml(task)

    @work(group="look", exclusive=True)
    async def _yaml(self, task: Task) -> None:
        import yaml

        try:
            detail = await self.hai.call("task", ref=task.id)
        except HaiError as error:
            self.hai.tell(error)
            return
        text: str = yaml.safe_dump(
            without_secrets(detail), sort_keys=False, allow_unicode=True, width=10_000
        )
        title, twin = f"yaml of task {task.id}", f"hai-cli describe {task.id}"
        self.hai.open_text(title, lambda width: document_page(text, width), twin)

    # changing

    def do_stop(self) -> None:
        tasks = self._unfinished()
        if tasks:
            self._act("stop", tasks, stop_question(tasks))

    def do_kill(self) -> None:
        tasks = self._unfinished()
        if tasks:
            self._act("stop", tasks, stop_question(tasks, typed=True))

    def do_toggle(self) -> None:
        tasks = self._unfinished()
        if tasks:
            route, question = toggle_question(tasks)
            self._act(route, tasks, question)

    def _unfinished(self) -> list[Task]:
        tasks = [task for task in self.tasks_meant() if not task.is_final]
        if not tasks:
            self.hai.say("there is no unfinished task here", "warn")
        return tasks

    @work(group="act")
    async def _act(self, route: str, tasks: Sequence[Task], question: Question) -> None:
        if not await self.hai.push_screen_wait(ConfirmScreen(question)):
            self.hai.say("nothing was changed")
            return
        done: list[Any] = []
        for task in tasks:
            try:
                done.append(await self.hai.call(route, body={"why": ""}, ref=task.id))
            except HaiError as error:
                self.hai.tell(error)
                return
        last = done[-1]
        some = f"task {last['id']}" if len(done) == 1 else f"{len(done)} tasks:"
        self.hai.say(f"{some} {_DONE[route]}, now {last['state']}", "run")

    def do_raise(self) -> None:
        self._step(1)

    def do_lower(self) -> None:
        self._step(-1)

    def _step(self, step: int) -> None:
        tasks = self._unfinished()
        if not tasks:
            return
        level = level_beside(tasks[0].priority, step)
        if level is None:
            self.hai.say(f"{tasks[0].priority} is the end of the scale", "warn")
        else:
            self._change_priority(tasks[0], level)

    def do_edit(self) -> None:
        tasks = self._unfinished()
        if tasks:
            self.ask(
                "priority",
                f"priority of task {tasks[0].id} (now {tasks[0].priority}); Tab completes",
                lambda text: self._chosen(tasks[0], text),
                complete=lambda text: [p for p in LEVELS if p.startswith(text.upper())],
            )

    def _chosen(self, task: Task, text: str) -> None:
        level = text.strip().upper()
        if level in LEVELS:
            self._change_priority(task, level)
        elif level:
            self.hai.say(f"{text!r} is no priority: {', '.join(LEVELS)}", "warn")

    @work(group="act")
    async def _change_priority(self, task: Task, level: str) -> None:
        prediction: Any
        try:
            prediction = await self.hai.call("what_if", body={"priority": level}, ref=task.id)
        except HaiError as error:
            if isinstance(error, NotFound) and not is_missing_route(error):
                self.hai.tell(error)
                return
            prediction = HaiError(NEWER) if is_missing_route(error) else error
        question = priority_question(task, level, prediction)
        if not await self.hai.push_screen_wait(ConfirmScreen(question)):
            self.hai.say("nothing was changed")
            return
        try:
            changed = await self.hai.call("priority", body={"priority": level}, ref=task.id)
        except HaiError as error:
            self.hai.tell(error)
            return
        self.hai.say(f"task {task.id} asks for {changed['priority']} now", "run")


def _plain_why(task: Task) -> str:
    text = why_of(task)[0]
    if task.is_waiting:
        return f"task {task.id} {task.why or 'waits: ' + (text or 'the next turn decides')}"
    return f"task {task.id} is {task.state}{': ' + text if text else ''}"
