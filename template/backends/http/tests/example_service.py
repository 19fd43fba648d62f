# YOURS: a small job service, for which `platform.py` is written. Make it behave as yours does.
"""A job service with an HTTP API, small enough to read. Each job is a process of this machine.

Requests and answers are JSON, and have a bearer token. An error is `{"error": "why"}`: 401 for the
token, 404 for what is unknown, 422 for what it will never take, 503 when it is overloaded.

- `POST /jobs` creates a job: `key` (any text of at most 1,000 characters; the same key is the same
  job, and creates no other), `name` (at most 63 lower-case letters, digits and dashes), `queue`,
  `image`, `command`, `environment`, `secrets` (more variables, which no answer has), `resources`
  (`cpus`, `memory` in bytes, `gpus`), `labels` (at most 16; values of at most 63 letters, digits,
  `-_.`), `grace_seconds`. The process gets these variables, and its ID as `SERVICE_JOB_ID`.
- `POST /jobs/query` with `{"ids": [...]}` tells how jobs are: `{"jobs": [...]}`, those it knows. A
  job has `id`, `key`, `name`, `labels`, `state` (queued, running, succeeded, failed, cancelled, or
  lost with its machine), `reason` in words, and `exit_code` (128 + n for signal n).
- `GET /jobs?label=NAME=VALUE&after=ID` lists jobs page by page: `{"jobs": [...], "next": ID}`.
- `POST /jobs/ID/cancel` sends SIGTERM, and SIGKILL after the job's grace period.
- `GET /jobs/ID/log?offset=N` is what it has written from a byte on, at most 64 KiB at a time.

`python tests/example_service.py` runs it until Ctrl-C.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from kit.containers import Container, ContainerError, Containers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from typing_extensions import Self

# How many jobs of each queue run at the same time, and what the largest machine has.
SLOTS = {"default": 8, "controllers": 8}
LARGEST = {"cpus": 4, "memory": 16e9, "gpus": 2}
IMAGES = ("default", "tests")

PAGE, PIECE = 20, 64 * 1024


class RefusedError(Exception):
    """A request is refused, with a status and the reason."""


@dataclass
class Job:
    """A job: what was asked for, and how it is."""

    id: str
    asked: dict[str, Any]
    folder: Path
    state: str = "queued"
    reason: str = ""
    exit_code: int | None = None
    process: Container | None = None
    cancelled: bool = False

    @property
    def shown(self) -> dict[str, Any]:
        """What answers have of it."""
        shown = ("id", "state", "reason", "exit_code")
        asked = {name: self.asked[name] for name in ("key", "name", "labels")}
        return asked | {name: getattr(self, name) for name in shown}

    def read_log(self) -> bytes:
        """Returns what it has written so far."""
        log = self.folder / "log"
        return log.read_bytes() if log.exists() else b""


class ExampleService:
    """The service, from `__enter__` to `__exit__`.

    Attributes:
        refuses: The share of requests that are answered with 503, and do nothing.
        loses: The share of requests that are carried out, and whose answer is lost.
        loses_next: Whether that happens to the next job that is created.
        slots: How many jobs of each queue may run at the same time.
        requests: All requests so far: method, path and time.
        starts: The keys of all processes that were started.
    """

    def __init__(
        self, folder: Path, *, preload: Sequence[str] = (), environment: Mapping[str, str]
    ) -> None:
        """Prepares the service.

        Args:
            folder: Where it keeps its files. It exists.
            preload: Modules that are imported once for all jobs that run Python.
            environment: The variables that all jobs have: what an image would bring.
        """
        self.refuses = self.loses = 0.0
        self.loses_next = False
        self.slots = dict(SLOTS)
        self.requests: list[tuple[str, str, float]] = []
        self.starts: list[str] = []
        self.jobs: dict[str, Job] = {}
        self.token = secrets.token_hex()
        self._folder, self._preload, self._environment = folder, preload, environment
        self._random = random.Random(1)  # noqa: S311 - the faults are the same each time
        self._lock = threading.RLock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                service.answer(self)

            do_GET = do_POST  # noqa: N815 - these names are given

            def log_message(self, *_: object) -> None:
                """Writes nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Starts to answer."""
        self._containers = Containers(
            self._folder, preload=self._preload, environment=self._environment
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Kills all jobs."""
        self._server.shutdown()
        self._server.socket.close()
        self._containers.close()

    # ---- Requests

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers a request, unless it is to fail."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        method, path = handler.command, handler.path
        with self._lock:
            self.requests.append((method, path, time.monotonic()))
            try:
                if self._random.random() < self.refuses:
                    raise RefusedError(503, "overloaded, try again")
                if handler.headers.get("Authorization") != f"Bearer {self.token}":
                    raise RefusedError(401, "the token is not valid")
                status, content = 200, self._carry_out(method, path, body)
                handler.close_connection = self._random.random() < self.loses
                if self.loses_next and (method, path) == ("POST", "/jobs"):
                    handler.close_connection, self.loses_next = True, False
                if handler.close_connection:
                    return
            except RefusedError as refused:
                status, content = refused.args[0], encode({"error": refused.args[1]})
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def _carry_out(self, method: str, path: str, body: bytes) -> bytes:
        url = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match method, *url.path.strip("/").split("/"):
            case "POST", "jobs":
                return encode(self._create(json.loads(body)).shown)
            case "POST", "jobs", "query":
                found = [self.jobs[each] for each in json.loads(body)["ids"] if each in self.jobs]
                return encode({"jobs": [job.shown for job in found]})
            case "GET", "jobs":
                return encode(self._page(query["label"], query.get("after")))
            case "POST", "jobs", known, "cancel" if known in self.jobs:
                self._cancel(self.jobs[known])
                return b"{}"
            case "GET", "jobs", known, "log" if known in self.jobs:
                return self.jobs[known].read_log()[int(query["offset"]) :][:PIECE]
        raise RefusedError(404, f"there is no {url.path}")

    def _create(self, asked: dict[str, Any]) -> Job:
        for job in self.jobs.values():
            if job.asked["key"] == asked["key"]:
                return job
        if problem := problem_of(asked, self.slots):
            raise RefusedError(422, problem)
        job_id = secrets.token_hex(8)
        job = self.jobs[job_id] = Job(job_id, asked, self._folder / job_id)
        self.start_jobs()
        return job

    def _page(self, label: str, after: str | None) -> dict[str, Any]:
        name, _, value = label.partition("=")
        found = [job for job in self.jobs.values() if job.asked["labels"].get(name) == value]
        first = 1 + next((number for number, job in enumerate(found) if job.id == after), -1)
        page = found[first : first + PAGE]
        is_last = first + PAGE >= len(found)
        return {"jobs": [job.shown for job in page], "next": None if is_last else page[-1].id}

    def _cancel(self, job: Job) -> None:
        if job.state == "queued":
            job.state, job.reason = "cancelled", ""
        elif not job.cancelled and job.state == "running":
            job.cancelled = True
            if job.process is not None:
                self._end(job, job.process)

    # ---- Jobs

    def start_jobs(self) -> None:
        """Starts the jobs for which there are slots, first come, first served."""
        with self._lock:
            jobs = self.jobs.values()
            running = Counter(job.asked["queue"] for job in jobs if job.state == "running")
            for job in jobs:
                queue = job.asked["queue"]
                if job.state == "queued" and running[queue] < self.slots[queue]:
                    running[queue] += 1
                    job.state, job.reason = "running", ""
                    threading.Thread(target=self._run, args=(job,), daemon=True).start()
                elif job.state == "queued":
                    job.reason = f"all {self.slots[queue]} slots of the queue `{queue}` are taken"

    def _run(self, job: Job) -> None:
        (job.folder / "app").mkdir(parents=True)
        self.starts.append(job.asked["key"])
        with suppress(ContainerError, OSError):  # The service ends.
            process = self._containers.start(
                {
                    "command": job.asked["command"],
                    "environment": self.environment_of(job),
                    "directory": str(job.folder),
                    "hostname": job.id,
                    # Where ZenML puts the code. In a container this folder is its own.
                    "mounts": {"/app": str(job.folder / "app")},
                },
                job.folder / "log",
            )
            with self._lock:
                job.process = process
                if job.cancelled:
                    self._end(job, process)
            code = process.wait()
            with self._lock:
                job.process, job.exit_code = None, code
                if job.state == "running":
                    ended = "cancelled" if job.cancelled else "failed"
                    job.state = "succeeded" if code == 0 else ended
            self.start_jobs()

    def _end(self, job: Job, process: Container) -> None:
        process.terminate()
        timer = threading.Timer(job.asked["grace_seconds"], self._kill, (job,))
        timer.daemon = True
        timer.start()

    def _kill(self, job: Job) -> None:
        with self._lock, suppress(OSError):  # The service may have ended.
            if job.process is not None:
                job.process.send_signal(9)

    def lose(self, job_id: str, *, is_known: bool) -> None:
        """Loses the machine of a job. The service says so, or has lost the job, too."""
        with self._lock:
            job = self.jobs[job_id]
            job.state, job.reason, job.cancelled = "lost", "its machine was lost", True
            self._kill(job)
            if not is_known:
                del self.jobs[job_id]

    def environment_of(self, job: Job) -> dict[str, str]:
        """Returns all that the process of a job gets."""
        own = {"HOME": str(job.folder), "SERVICE_JOB_ID": job.id}
        return {**self._environment, **own, **job.asked["environment"], **job.asked["secrets"]}


def problem_of(asked: Mapping[str, Any], queues: Iterable[str]) -> str | None:
    """Says why the service will never take a job; None if it does."""
    if len(asked["key"]) > 1000 or not re.fullmatch(r"[a-z0-9-]{1,63}", asked["name"]):
        return f"the name `{asked['name']}` or the key is too long, or has other characters"
    values = [*asked["labels"].values()]
    if len(values) > 16 or not all(re.fullmatch(r"[A-Za-z0-9._-]{0,63}", text) for text in values):
        return f"there are too many labels, or too long ones, or other characters: {values}"
    for field, known in (("queue", queues), ("image", IMAGES)):
        if asked[field] not in known:
            return f"there is no {field} `{asked[field]}`; there are {', '.join(known)}"
    for name, amount in asked["resources"].items():
        if amount > LARGEST[name]:
            return f"no machine has {amount:g} {name}; the largest has {LARGEST[name]:g}"
    return None


def encode(value: object) -> bytes:
    """Writes JSON."""
    return json.dumps(value).encode()


def main() -> None:
    """Runs the service until it is interrupted."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: os.environ.get(name, "") for name in ("PATH", "PYTHONPATH")}
        with ExampleService(Path(folder), environment=environment) as service:
            sys.stdout.write(f"url={service.url}\ntoken={service.token}\n")
            sys.stdout.flush()
            threading.Event().wait()


if __name__ == "__main__":
    main()
