# YOURS: a small job service, for which `platform.py` is written. Make it behave as yours does.
"""A job service with an HTTP API, small enough to read. Each job is a process of this machine.

Requests and answers are JSON, and have a bearer token. An error is `{"error": "why"}`: 401 for the
token, 404 for what is unknown, 422 for what it will never take, 503 when it is overloaded, with the
seconds to wait as `Retry-After`.

- `POST /jobs` creates a job: `key` (any text of at most 1,000 characters; the same key is the same
  job, and creates no other), `name` (at most 63 lower-case letters, digits and dashes), `queue`,
  `image`, `command`, `environment`, `secrets` (more variables, which no answer has), `resources`
  (`cpus`, `memory` in bytes, `gpus`), `labels` (at most 16; values of at most 63 letters, digits,
  `-_.`), `grace_seconds`. The process gets these variables, and its ID as `SERVICE_JOB_ID`.
- `POST /jobs/query` with `{"ids": [...]}` tells how jobs are: `{"jobs": [...]}`, those it knows. A
  job has `id`, `key`, `name`, `labels`, `state` (queued, running, succeeded, failed, cancelled, or
  lost with its machine), `reason` in words, and `exit_code` (128 + n for signal n).
- `GET /jobs?label=NAME=VALUE&after=N` lists jobs, page by page: `{"jobs": [...], "next": N}`.
- `POST /jobs/ID/cancel` sends SIGTERM, and SIGKILL after the job's grace period.
- `GET /jobs/ID/log?offset=N` is what it has written from a byte on, at most 64 KiB at a time.
"""

from __future__ import annotations

import json
import random
import re
import secrets
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from kit.containers import Container, ContainerError, Containers, Request

if TYPE_CHECKING:
    from pathlib import Path

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
        seen = {name: getattr(self, name) for name in ("id", "state", "reason", "exit_code")}
        return seen | {name: self.asked[name] for name in ("key", "name", "labels")}


class Handler(BaseHTTPRequestHandler):
    """Passes requests on to the service, and answers."""

    server: ExampleService
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answers a request, unless the answer is to be lost."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, content = self.server.answer(self, body)
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Retry-After", str(self.server.retry_after))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST  # noqa: N815 - these names are given

    def log_message(self, *_: object) -> None:
        """Writes nothing."""


class ExampleService(ThreadingHTTPServer):
    """The service, which answers from `__enter__` to `__exit__`.

    Attributes:
        refuses: The share of requests that are answered with 503, and do nothing.
        retry_after: How many seconds later it wants to be asked again then.
        loses: The share of requests that are carried out, and whose answer is lost.
        loses_next: Whether that happens to the next job that is created.
        slots: How many jobs of each queue may run at the same time.
        requests: All requests so far: method, path and time.
        starts: The keys of all processes that were started.
        jobs: All jobs, by their IDs.
    """

    def __init__(self, folder: Path, environment: dict[str, str], *preload: str) -> None:
        """Starts nothing but what containers are made of.

        Args:
            folder: Where it keeps its files. It exists.
            environment: The variables that all jobs have: what an image would bring.
            preload: Modules that are imported once for all jobs that run Python.
        """
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.token = secrets.token_hex()
        self.refuses = self.loses = 0.0
        self.retry_after, self.loses_next = 0, False
        self.slots = dict(SLOTS)
        self.requests: list[tuple[str, str, float]] = []
        self.starts: list[str] = []
        self.jobs: dict[str, Job] = {}
        self._folder, self._environment = folder, environment
        self._random = random.Random(1)  # noqa: S311 - the faults are the same each time
        self._lock = threading.RLock()
        self._containers = Containers(folder, preload=preload, environment=environment)

    def __enter__(self) -> ExampleService:
        """Begins to answer."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Kills all jobs."""
        self.shutdown()
        self.server_close()
        self._containers.close()

    # ---- Requests

    def answer(self, asked: Handler, body: bytes) -> tuple[int, bytes]:
        """Carries out a request, and returns the answer's status, 0 if it is to be lost."""
        with self._lock:
            self.requests.append((asked.command, asked.path, time.monotonic()))
            try:
                if self._random.random() < self.refuses:
                    raise RefusedError(503, "overloaded, try again")
                if asked.headers.get("Authorization") != f"Bearer {self.token}":
                    raise RefusedError(401, "the token is not valid")
                content = self._carry_out(asked.command, urlsplit(asked.path), body)
            except RefusedError as refused:
                return refused.args[0], json.dumps({"error": refused.args[1]}).encode()
            is_lost = self._random.random() < self.loses
            if self.loses_next and asked.path == "/jobs":
                is_lost, self.loses_next = True, False
            whole = content if isinstance(content, bytes) else json.dumps(content).encode()
            return 0 if is_lost else 200, whole

    def _carry_out(self, method: str, url: Any, body: bytes) -> bytes | dict[str, Any]:
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match method, *url.path.strip("/").split("/"):
            case "POST", "jobs":
                return self._create(json.loads(body)).shown
            case "POST", "jobs", "query":
                found = [self.jobs[each] for each in json.loads(body)["ids"] if each in self.jobs]
                return {"jobs": [job.shown for job in found]}
            case "GET", "jobs":
                return self._page(query["label"], int(query.get("after", 0)))
            case "POST", "jobs", known, "cancel" if known in self.jobs:
                self._cancel(self.jobs[known])
                return {}
            case "GET", "jobs", known, "log" if known in self.jobs:
                log = self.jobs[known].folder / "log"
                return log.read_bytes()[int(query["offset"]) :][:PIECE]
        raise RefusedError(404, f"there is no {url.path}")

    def _create(self, asked: dict[str, Any]) -> Job:
        for job in self.jobs.values():
            if job.asked["key"] == asked["key"]:
                return job
        if reason := problem_of(asked, [*self.slots]):
            raise RefusedError(422, reason)
        job_id = secrets.token_hex(8)
        job = self.jobs[job_id] = Job(job_id, asked, self._folder / job_id)
        (job.folder / "app").mkdir(parents=True)
        (job.folder / "log").touch()
        self.start_jobs()
        return job

    def _page(self, label: str, after: int) -> dict[str, Any]:
        name, _, value = label.partition("=")
        found = [job.shown for job in self.jobs.values() if job.asked["labels"].get(name) == value]
        end = after + PAGE
        return {"jobs": found[after:end], "next": end if end < len(found) else None}

    def _cancel(self, job: Job) -> None:
        if job.state == "queued":
            job.state, job.reason = "cancelled", ""
        elif job.process and not job.cancelled:
            job.process.stop(job.asked["grace_seconds"])
        job.cancelled = True

    # ---- Jobs

    def start_jobs(self) -> None:
        """Starts the jobs for which there are slots, first come, first served."""
        with self._lock:
            jobs = self.jobs.values()
            running = Counter(job.asked["queue"] for job in jobs if job.state == "running")
            for job in [job for job in jobs if job.state == "queued"]:
                queue = job.asked["queue"]
                job.reason = f"all {self.slots[queue]} slots of the queue `{queue}` are taken"
                if running[queue] < self.slots[queue]:
                    running[queue] += 1
                    job.state, job.reason = "running", ""
                    threading.Thread(target=self._run, args=[job], daemon=True).start()

    def _run(self, job: Job) -> None:
        self.starts.append(job.asked["key"])
        request: Request = {
            "command": job.asked["command"],
            "environment": self.environment_of(job),
            "directory": str(job.folder),
            "hostname": job.id,
            "mounts": {"/app": str(job.folder / "app")},  # Where ZenML puts the code.
        }
        with suppress(ContainerError, OSError):  # The service ends.
            process = self._containers.start(request, job.folder / "log")
            with self._lock:
                job.process = process
                if job.cancelled:
                    process.stop(job.asked["grace_seconds"])
            code = process.wait()
            with self._lock:
                job.process, job.exit_code = None, code
                if job.state == "running":
                    ended = "cancelled" if job.cancelled else "failed"
                    job.state = "succeeded" if code == 0 else ended
            self.start_jobs()

    def lose(self, job_id: str, *, is_known: bool) -> None:
        """Loses the machine of a job. The service says so, or has lost the job, too."""
        with self._lock:
            job = self.jobs[job_id]
            job.state, job.reason, job.cancelled = "lost", "its machine was lost", True
            if job.process:
                job.process.kill()
            if not is_known:
                del self.jobs[job_id]

    def environment_of(self, job: Job) -> dict[str, str]:
        """Returns all that the process of a job gets."""
        own = {"HOME": str(job.folder), "SERVICE_JOB_ID": job.id}
        return {**self._environment, **own, **job.asked["environment"], **job.asked["secrets"]}


def problem_of(asked: dict[str, Any], queues: list[str]) -> str | None:
    """Says why the service will never take a job; None if it does."""
    values = [*asked["labels"].values()]
    if len(asked["key"]) > 1000 or not re.fullmatch(r"[a-z0-9-]{1,63}", asked["name"]):
        return f"the name `{asked['name']}` or the key is too long, or has other characters"
    if len(values) > 16 or not all(re.fullmatch(r"[A-Za-z0-9._-]{0,63}", text) for text in values):
        return f"there are too many labels, or too long ones, or other characters: {values}"
    for field, known in (("queue", queues), ("image", IMAGES)):
        if asked[field] not in known:
            return f"there is no {field} `{asked[field]}`; there are {', '.join(known)}"
    for name, amount in asked["resources"].items():
        if amount > LARGEST[name]:
            return f"no machine has {amount:g} {name}; the largest has {LARGEST[name]:g}"
    return None
