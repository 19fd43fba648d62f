# YOURS: a service that runs the DAG, for tests.
"""The service: it runs pipelines, step by step, and jobs, in containers of this machine."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kit.containers import Container, Containers, Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# How long the service does not tell of what it has just accepted, in seconds.
UNKNOWN_SECONDS = 0.3
LONGEST_VARIABLE = 256


@dataclass
class Work:
    """An execution, one of its steps, or a job."""

    handle: str
    spec: dict[str, Any]
    environment: dict[str, str]
    steps: dict[str, Work] = field(default_factory=dict)
    state: str = "QUEUED"
    reason: str = ""
    exit_code: int | None = None
    halted: bool = False
    container: Container | None = None
    since: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state in ("OK", "ERROR", "HALTED")

    def told(self) -> dict[str, Any]:
        """Returns how it is."""
        return {"state": self.state, "reason": self.reason, "exit_code": self.exit_code}


class Service:
    """Serves from `__enter__` to `__exit__`.

    Attributes:
        works: All executions and jobs, by handle.
        secrets: What jobs fetch, by name.
        paused: Whether nothing new is started.
        refusal: Why no execution can start, such as a quota; empty if they can.
    """

    def __init__(self, folder: Path, preload: Sequence[str], image: Mapping[str, str]) -> None:
        """Starts to listen.

        Args:
            folder: Where containers work.
            preload: What all of them import.
            image: The environment that an image brings.
        """
        self.works: dict[str, Work] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self._once_secret: dict[str, dict[str, str]] = {}
        self.paused = False
        self.refusal = ""
        self._folder = folder
        self._image = dict(image)
        self._containers = Containers(folder, preload=preload, environment=image)
        self._changed = threading.Condition()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                name = f"{self.command.lower()}_{'_'.join(self.path.split('/')[1::2])}"
                try:
                    with service._changed:
                        found = getattr(service, name)(*self.path.split("/")[2::2], **body)
                    status, text = 200, json.dumps(found)
                except (LookupError, ValueError) as error:
                    status, text = 400, str(error)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - as the library wants it

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Kills all containers."""
        self._server.shutdown()
        self._server.server_close()
        self._containers.close()

    # ---- Requests

    def put_secrets(self, name: str, /, **values: str) -> None:
        """Keeps a secret."""
        self.secrets[name] = self._once_secret[name] = values

    def get_secrets(self, name: str) -> dict[str, str]:
        """Returns a secret."""
        return self.secrets[name]

    def delete_jobs_secret(self, handle: str) -> None:
        """Deletes the secret of an execution or a job."""
        self.secrets.pop(self.works[handle].spec["secret"], None)

    def post_jobs(self, **spec: Any) -> dict[str, str]:
        """Starts an execution or a job, unless there is one of the same key."""
        for known in self.works.values():
            if known.spec["key"] == spec["key"]:
                return {"handle": known.handle}
        handle = uuid4().hex[:12]
        steps = spec.get("steps", {})
        for each in steps.values() or [spec]:
            for name, value in each["environment"].items():
                if not 0 < len(value) <= LONGEST_VARIABLE:
                    raise ValueError(f"{name} is empty or too long")

        def environment(own: Mapping[str, Any]) -> dict[str, str]:
            told = {"TOY_URL": self.url, "TOY_JOB": handle, "TOY_SECRET": spec["secret"]}
            chosen = {name: handle if v == "$ID" else v for name, v in own["environment"].items()}
            return {**self._image, **chosen, **told}

        work = self.works[handle] = Work(handle, spec, {} if steps else environment(spec))
        for name, step in steps.items():
            work.steps[name] = Work(f"{handle}-{len(work.steps)}", step, environment(step))
        if not self.paused:
            target = self._walk if steps else self._run
            threading.Thread(target=target, args=(work,), daemon=True).start()
        return {"handle": handle}

    def post_query(self, handles: list[str]) -> dict[str, Any]:
        """Tells how some are, if it knows them yet."""
        since = time.monotonic() - UNKNOWN_SECONDS
        found = [self.works[handle] for handle in handles if handle in self.works]
        return {work.handle: work.told() for work in found if work.since < since}

    def get_jobs_steps(self, handle: str) -> dict[str, Any]:
        """Tells how the steps are that have begun."""
        begun = self.works[handle].steps.items()
        return {name: step.told() for name, step in begun if step.state != "QUEUED"}

    def get_runs(self, run: str) -> dict[str, str]:
        """Finds all of a run, by key."""
        return {w.spec["key"]: w.handle for w in self.works.values() if w.spec["run"] == run}

    def post_jobs_stop(self, handle: str) -> None:
        """Asks all containers of an execution or a job to end."""
        work = self.works.get(handle)
        for each in [work, *work.steps.values()] if work else []:
            each.halted = True
            if each.container is not None and not each.is_over:
                self._end(each)

    # ---- Work

    def _walk(self, work: Work) -> None:
        """Runs the steps of an execution, as their DAG and the mode allow it."""
        if self.refusal:
            work.state, work.reason = "ERROR", self.refusal
            return
        work.state = "WALKING"
        steps = work.steps
        with self._changed:
            while True:
                failed = any(step.state == "ERROR" for step in steps.values())
                goes_on = not work.halted and (
                    not failed or work.spec["mode"] == "continue_on_failure"
                )
                for name, step in steps.items():
                    ready = all(steps[up].state == "OK" for up in work.spec["upstream"][name])
                    if goes_on and step.state == "QUEUED" and ready:
                        step.state = "WARMING_UP"  # A word that nobody has been told of.
                        threading.Thread(target=self._run, args=(step,), daemon=True).start()
                if all(step.is_over or step.state == "QUEUED" for step in steps.values()):
                    break
                self._changed.wait()
            well = all(step.state == "OK" for step in steps.values())
            work.state = "HALTED" if work.halted else "OK" if well else "ERROR"
            if work.state == "ERROR":
                work.reason = "a step failed"

    def _run(self, work: Work) -> None:
        """Runs a container to its end."""
        home = self._folder / work.handle
        for part in ("app", "service"):
            (home / part).mkdir(parents=True)
        request = Request(
            command=work.spec["command"],
            environment={**work.environment, "HOME": str(home)},
            directory=str(home / "app"),
            hostname=work.handle,
            mounts={"/service": str(home / "service"), "/app": str(home / "app")},
        )
        work.state = "RUNNING"
        container = self._containers.start(request, home / "log")
        with self._changed:
            work.container = container
            if work.halted:
                self._end(work)
        code = container.wait()
        failure = home / "service" / "failure"
        with self._changed:
            work.exit_code = code
            work.reason = failure.read_text() if failure.exists() else ""
            work.state = "OK" if code == 0 else "HALTED" if work.halted else "ERROR"
            self._changed.notify_all()

    def _end(self, work: Work) -> None:
        assert work.container is not None
        work.container.terminate()
        container = work.container

        def kill() -> None:
            if not work.is_over:
                container.send_signal(9)

        threading.Timer(work.spec["grace_seconds"], kill).start()

    def secrets_of(self, handle: str) -> dict[str, str]:
        """Returns the secret of an execution or a job, as it was."""
        return self._once_secret[self.works[handle].spec["secret"]]

    def log_of(self, handle: str) -> str:
        """Returns what a container has written."""
        log = self._folder / handle / "log"
        return log.read_text() if log.exists() else ""
