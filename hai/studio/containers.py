"""Dev containers in the browser: what `hai-cli dev` does, with the visitor's own token.

Who may do what is the server's to say. What changes things is a POST of our own page.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from hai.client.containers import container_document
from hai.core.types import FINAL_STATES
from hai.errors import AuthRequired, Conflict, Denied, HaiError, Unavailable
from hai.studio import container_view as view
from hai.studio.capacity import capacity_of
from hai.studio.container_form import Form, Recorded, document_of, recorded_in, seconds_of
from hai.studio.platform import PlatformApi
from hai.studio.replies import form_of, html, seen, status_of
from hai.studio.running import Running
from hai.studio.sessions import LoginSession, LoginSessions

_PLACE = "/containers"
_MOST_SHOWN = 100
_LOG_LINES = 500
_TRIES = 80  # that a page which waits for a service makes by itself
_OF_ONE, _TOGETHER = 4, 32  # requests that are worked on at once
_TEXT = 4000  # characters of one field
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ContainerPages:
    """`session_of`: who asks, None for nobody."""

    def __init__(
        self,
        platform: PlatformApi,
        sessions: LoginSessions,
        session_of: Callable[[web.Request], LoginSession | None],
        *,
        read_only: bool,
    ) -> None:
        self._platform = platform
        self._sessions = sessions
        self._session_of = session_of
        self._read_only = read_only
        self._places = Running(_OF_ONE, _TOGETHER)
        self._verbs = {
            "start": self._start_again,
            "stop": self._stop,
            "restart": self._restart,
            "extend": self._extend,
            "remove": self._remove,
        }

    def routes(self) -> list[web.RouteDef]:
        one = _PLACE + r"/{id:\d{1,18}}"
        return [
            web.get(_PLACE, self._placed(self._page)),
            web.get(_PLACE + "/live", self._placed(self._live)),
            web.post(_PLACE, self._placed(self._start)),
            web.get(one + "/logs", self._placed(self._logs)),
            web.post(one + "/open", self._placed(self._open)),
            web.post(one + "/{verb:start|stop|restart|extend|remove}", self._placed(self._change)),
        ]

    def _placed(self, handler: _Handler) -> _Handler:
        """Each request asks the platform several things: a user has a few at once."""

        async def handled(request: web.Request) -> web.StreamResponse:
            session = self._session_of(request)
            if session is None:
                return await handler(request)
            async with self._places.place(session.user):
                return await handler(request)

        return handled

    # pages

    async def _page(self, request: web.Request) -> web.StreamResponse:
        session = self._session_of(request)
        if session is None:
            return seen("/")
        self._sessions.touch(session)
        return await self._shown(session)

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """The part that changes: the page asks by itself, which keeps no session alive."""
        session = self._session_of(request)
        if session is None:
            raise web.HTTPForbidden(text="log in first\n")
        try:
            tasks, capacity = await self._state(session.token)
        except HaiError as error:
            return html(view.error_box(error), status_of(error))
        return html(view.live_part(view.ContainerPage(session.user, tasks, capacity)))

    async def _shown(
        self, session: LoginSession, error: HaiError | None = None, form: Form | None = None
    ) -> web.StreamResponse:
        """The page, with an error above it and what was written in the form, if there are any."""
        if isinstance(error, AuthRequired):
            return self._over(session)
        token = session.token
        asked: Any = {"form": form or {}, "was_asked": error is not None}
        try:
            (tasks, capacity), recorded, images = await asyncio.gather(
                self._state(token), self._recorded(token), self._platform.call(token, "images")
            )
        except AuthRequired:
            return self._over(session)
        except HaiError as away:
            sight = view.ContainerPage(session.user, error=error or away, is_known=False, **asked)
            return html(view.containers_page(sight), status_of(sight.error))
        names = [str(one["name"]) for one in images["images"]]
        sight = view.ContainerPage(
            session.user, tasks, capacity, list(recorded), names, error, **asked
        )
        return html(view.containers_page(sight), status_of(error))

    def _over(self, session: LoginSession) -> web.StreamResponse:
        """Its token is worth nothing any more."""
        self._sessions.end(session)
        return seen("/")

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        session = self._session_of(request)
        if session is None:
            return seen("/")
        self._sessions.touch(session)
        try:
            task = await self._task(session, request)
            lines = await self._platform.log(session.token, task["id"], _LOG_LINES)
        except HaiError as error:
            return html(view.error_page(session.user, error), status_of(error))
        return html(view.log_page(session.user, task, lines, _LOG_LINES))

    # what is known

    async def _state(self, token: str) -> tuple[list[Any], view.Capacity]:
        """The dev containers of the user, each once, as it is now; and what is free. One request:
        the page asks every few seconds."""
        asked = {"task_type": view.JUPYTER, "page_size": 500, "services": True, "nodes": True}
        listed = await self._platform.call(token, "tasks", params=asked)
        latest: dict[str, Any] = {}
        for task in listed["tasks"]:
            latest.setdefault(task["name"], task)
        shown = [task for task in latest.values() if not task.get("removed")][:_MOST_SHOWN]
        services = listed["services"]
        return (
            [{**task, "services": services.get(str(task["id"]), ())} for task in shown],
            capacity_of(listed["nodes"]),
        )

    async def _recorded(self, token: str) -> Recorded:
        """The environments that the user's tasks had."""
        return recorded_in((await self._platform.call(token, "environments"))["environments"])

    async def _task(self, session: LoginSession, request: web.Request) -> Any:
        ref = int(request.match_info["id"])
        return await self._platform.call(session.token, "task", ref=ref)

    # what changes things

    def _require_changes(self) -> None:
        if self._read_only:
            raise Denied("this Studio only shows", hint="hai-cli dev does it")

    async def _start(self, request: web.Request) -> web.StreamResponse:
        session, form = await self._asked(request)
        if session is None:
            return seen("/")
        try:
            self._require_changes()
            named = form.get("environment", "")
            recorded = await self._recorded(session.token) if named else {}
            document = document_of(form, recorded)
            task = await self._platform.call(session.token, "submit", body=document)
        except HaiError as error:
            return await self._shown(session, error, form)
        return seen(f"{_PLACE}#c-{task['id']}")

    async def _change(self, request: web.Request) -> web.StreamResponse:
        """One of the verbs for one task."""
        session, form = await self._asked(request)
        if session is None:
            return seen("/")
        try:
            self._require_changes()
            task = await self._task(session, request)
            await self._verbs[request.match_info["verb"]](session.token, task, form)
        except HaiError as error:
            return await self._shown(session, error)
        return seen(f"{_PLACE}#c-{task['id']}")

    async def _asked(self, request: web.Request) -> tuple[LoginSession | None, Form]:
        session = self._session_of(request)
        form = await form_of(request) if session is not None else {}
        if session is not None:
            self._sessions.touch(session)
        return session, {name: value[:_TEXT] for name, value in form.items()}

    async def _start_again(self, token: str, task: Any, _: Form) -> None:
        """As it was: the same task where it was suspended, a new one where it has ended."""
        if view.is_set_aside(task):
            await self._platform.call(token, "resume", body={"why": ""}, ref=task["id"])
            return
        if task["state"] not in FINAL_STATES:
            raise Conflict(
                f"dev container {task['name']} is {task['state']} already", hint="open it below"
            )
        document = container_document(task["name"], "", task["spec"])
        await self._platform.call(token, "submit", body=document)

    async def _stop(self, token: str, task: Any, _: Form) -> None:
        await self._platform.call(token, "stop", body={"why": ""}, ref=task["id"])

    async def _restart(self, token: str, task: Any, _: Form) -> None:
        """Notice to save, stop, start as it was."""
        if task["state"] not in ("running", "starting"):
            raise Conflict(
                f"dev container {task['name']} is {task['state']}: nothing runs",
                hint="start it again below",
            )
        body = {"why": "restarted by its user", "hold": False}
        await self._platform.call(token, "suspend", body=body, ref=task["id"])

    async def _extend(self, token: str, task: Any, form: Form) -> None:
        seconds = seconds_of(form["time"]) if form.get("time") else None
        await self._platform.call(token, "extend", body={"seconds": seconds}, ref=task["id"])

    async def _remove(self, token: str, task: Any, _: Form) -> None:
        await self._platform.call(token, "remove", ref=task["id"])

    # into it

    async def _open(self, request: web.Request) -> web.StreamResponse:
        """Leads to the door with a code that is good once. While the service does not answer, to a
        page that asks again."""
        session, form = await self._asked(request)
        if session is None:
            return seen("/")
        service = form.get("service") or view.JUPYTER
        left = form.get("tries", "")
        tries = int(left) - 1 if left.isdecimal() and len(left) < 4 else _TRIES
        try:
            self._require_changes()
            task = await self._task(session, request)
            if task["state"] in ("queued", "starting"):
                why = (task["reason"] or {}).get("text") or f"it is {task['state']}"
                return html(view.waiting_page(task, service, why, tries))
            body = {"service": service}
            found = await self._platform.call(session.token, "door", body=body, ref=task["id"])
        except Unavailable as error:
            return html(view.waiting_page(task, service, error.message, tries))
        except HaiError as error:
            return html(view.error_page(session.user, error), status_of(error))
        return html(view.opening_page(task["name"], found["url"]))
