# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The HTTP side of the emulator's API server.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from .access import Access, Account, Target
from .formats import Problems
from .requests import apply_patch, field_match, label_match
from .schema import RESOURCES, ApiError, Object, Resource, bad_request, decode
from .store import Change, Ref, Store
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from .requests import Match
    from starlette.types import Receive, Scope, Send

LOG_POLL_SECONDS = 0.02
BOOKMARK_SECONDS = 1.0
WATCH_SECONDS = 1800
MIN_TOKEN_SECONDS = 600


@dataclass(frozen=True)
class Call:
    """One request, as an audit log has it."""

    account: str
    """The name of the service account, or `admin` or `node`; empty if nobody has the token."""
    verb: str
    """As in RBAC: get, list, watch, create, update, patch, delete, deletecollection."""
    group: str
    resource: str
    """With the subresource, for instance `pods/log`."""
    namespace: str
    name: str
    status: int
    """0 if the connection was closed without an answer."""
    seconds: float
    """When it arrived, as `time.time()` has it."""


FAILURES = {
    "429": ("TooManyRequests", "the server has received too many requests"),
    "500": ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    "503": ("ServiceUnavailable", "the server is currently unable to handle the request"),
}


class Faults:
    """What goes wrong on purpose. Tests set the attributes while the cluster runs."""

    def __init__(self, end_watches: Callable[..., None]) -> None:
        """Nothing goes wrong at first."""
        self._end_watches = end_watches
        self._drawn = 0
        self.seed = 0
        """With another one, other requests fail."""
        self.rate = 0.0
        """The share of requests that fail."""
        self.kinds: tuple[str, ...] = ("429", "500", "503", "reset")
        """What they fail with. `reset` closes the connection without an answer: one half of the
        times before the request is carried out, the other half after it."""
        self.only_accounts: set[str] | None = None
        """Whose requests fail, named as in `Call.account`; `None` stands for everybody's."""
        self.retry_after_seconds = 0
        """What a 429 asks for. The real server asks for 1 mostly."""
        self.watch_delay = 0.0
        """How many seconds late each watch event is."""
        self.log_cuts: list[str] = []
        """How the next logs that are followed break off, in the middle of a line: by an `end` as if
        all were said, or a `reset`. Each is used once."""

    def expire_watches(self) -> None:
        """Ends every open watch with a 410. Older resource versions answer 410 from then on."""
        self._end_watches(expired=True)

    def drop_watches(self) -> None:
        """Closes every open watch, as the real server does after half an hour or so."""
        self._end_watches(expired=False)

    def draw(self, account: str) -> str:
        """What a request fails with: `before`, `after` (resets), a kind of failure, or nothing."""
        if self.only_accounts is not None and account not in self.only_accounts:
            return ""
        self._drawn += 1
        dice = random.Random(f"{self.seed}/{self._drawn}")  # noqa: S311
        if not self.kinds or dice.random() >= self.rate:
            return ""
        kind = dice.choice(self.kinds)
        return dice.choice(("before", "after")) if kind == "reset" else kind


class Connection(HttpToolsProtocol):
    """A connection that can be found again, since a fault closes it without an answer."""

    open: ClassVar[dict[Any, asyncio.Transport]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes it down."""
        super().connection_made(transport)
        self.open[self.client, self.server] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Strikes it off."""
        super().connection_lost(exc)
        self.open.pop((self.client, self.server), None)

    @classmethod
    def abort_all(cls, port: int) -> None:
        """Closes all connections to a server."""
        for (_, server), transport in list(cls.open.items()):
            if server and server[1] == port:
                transport.abort()


class Api:
    """The API server, an ASGI application."""

    def __init__(
        self, store: Store, access: Access, log_folder: Path, faults: Faults, version: str
    ) -> None:
        """Serves what is in a store, and the containers' logs in a folder."""
        self._version = version
        self._store, self._access, self._logs = store, access, log_folder
        self._news = asyncio.Event()
        self._epoch = 0  # all watches that began in an earlier one end
        self._faults = faults
        self.calls: list[Call] = []
        store.listeners.append(lambda _: self._wake())

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def end_watches(self, *, expired: bool) -> None:
        """Ends all open watches, either because they are too old or just so."""
        if expired:
            self._store.forget()
        else:
            self._epoch += 1
        self._wake()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        arrived, request = time.time(), Request(scope, receive)
        body = await request.body()
        account = self._access.account(request.headers.get("authorization", ""))
        name = account.name if account else ""
        target = Target.parse(request.method, request.url.path, request.query_params)
        fault = self._faults.draw(name) if target else ""
        response = Response()
        try:
            if account is None:
                raise ApiError(401, "Unauthorized", "Unauthorized")
            if target is None:
                response = self._other(account, request.url.path, body)
            else:
                self._access.check(account, target)
                if fault in FAILURES:
                    raise ApiError(int(fault), *FAILURES[fault])
                if fault != "before":
                    response = self._answer(target, request, body)
        except ApiError as error:
            response = JSONResponse(error.status(), error.code)
            if error.reason == "TooManyRequests":
                response.headers["Retry-After"] = str(self._faults.retry_after_seconds)
        reset = fault in ("before", "after")
        if target:
            status = 0 if reset else response.status_code
            what = (target.verb, target.resource.group, target.full_resource)
            call = Call(name, *what, target.namespace, target.name, status, arrived)
            self.calls.append(call)
        if reset:
            Connection.open[scope["client"], scope["server"]].abort()
        else:
            await response(scope, receive, send)

    def _other(self, account: Account, path: str, body: bytes) -> Response:
        if path.rstrip("/") in ("/version", "/healthz", "/livez", "/readyz"):
            major, minor, _ = self._version.removeprefix("v").split(".", 2)
            unknown = (
                "buildDate",
                "compiler",
                "gitCommit",
                "gitTreeState",
                "goVersion",
                "platform",
            )
            known = {"major": major, "minor": minor, "gitVersion": self._version}
            return JSONResponse(known | dict.fromkeys(unknown, ""))
        if path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            return self._review(account, _json(body))
        raise ApiError(404, "NotFound", "the server could not find the requested resource")

    def _review(self, account: Account, body: Object) -> Response:
        # https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
        asked = body.get("spec", {}).get("resourceAttributes", {})
        resource = RESOURCES.get(asked.get("resource"))
        if not resource or resource.group != asked.get("group", ""):
            raise bad_request("this emulator does not know the resource that was asked about")
        more = (asked.get("name", ""), asked.get("subresource", ""))
        target = Target(asked.get("verb", ""), resource, asked.get("namespace", ""), *more)
        status = {"allowed": self._access.may(account, target)}
        return JSONResponse(body | {"status": status}, 201)

    def _answer(self, target: Target, request: Request, body: bytes) -> Response:
        handlers: dict[str, Callable[[Target, Request, bytes], Response]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._update,
            "delete": self._delete,
            "deletecollection": self._delete_several,
        }
        special: dict[tuple[str, str], Callable[[Target, Request, bytes], Response]] = {
            ("get", "pods/log"): self._log,
            ("create", "pods/binding"): self._bind,
            ("create", "serviceaccounts/token"): self._token,
        }
        handler = handlers.get(target.verb)
        if target.subresource and not (target.subresource == "status" and target.name):
            handler = special.get((target.verb, target.full_resource))
        wants_name = target.verb in ("get", "update", "patch", "delete") or target.subresource
        unknown = target.resource.kind == "Namespace" and target.verb.startswith("delete")
        if not handler or unknown or bool(wants_name) != bool(target.name):
            message = "the server does not allow this method on the requested resource"
            raise ApiError(405, "MethodNotAllowed", message)
        return handler(target, request, body)

    # -- Reading -------------------------------------------------------------------------------

    def _get(self, target: Target, request: Request, body: bytes) -> Response:
        return JSONResponse(self._store.get(target.ref))

    def _match(self, target: Target, request: Request) -> Match:
        query = request.query_params
        labels = label_match(query.get("labelSelector", ""))
        fields = field_match(target.resource, query.get("fieldSelector", ""))
        place = target.ref.namespace
        return lambda obj: (
            place in ("", obj["metadata"].get("namespace")) and labels(obj) and fields(obj)
        )

    def _list(self, target: Target, request: Request, body: bytes) -> Response:
        resource, query = target.resource, request.query_params
        found = list(filter(self._match(target, request), self._store.select(resource)))
        limit = _number(query.get("limit", "0"))
        if query.get("continue"):
            # A token says after which object to go on, and when the list was begun.
            begun, *last = json.loads(base64.urlsafe_b64decode(query["continue"]))
            if begun < self._store.forgotten:
                message = "The provided continue parameter is too old to display a consistent list."
                raise ApiError(410, "Expired", message)
            found = [obj for obj in found if list(Ref.of(obj)[1:]) > last]
        meta: Object = {"resourceVersion": str(self._store.version)}
        if 0 < limit < len(found):
            token = json.dumps([self._store.version, *Ref.of(found[limit - 1])[1:]]).encode()
            meta["continue"] = base64.urlsafe_b64encode(token).decode()
            meta["remainingItemCount"] = len(found) - limit
            found = found[:limit]
        return JSONResponse(_list_of(resource, found, meta))

    def _watch(self, target: Target, request: Request, body: bytes) -> Response:
        query = request.query_params
        if query.get("sendInitialEvents"):
            why = "sendInitialEvents is forbidden for watch unless the WatchList feature is enabled"
            problems = Problems()
            problems.forbidden("sendInitialEvents", why)
            problems.refuse(Resource("ListOptions", "", "meta.k8s.io"), "")
        match, version = self._match(target, request), query.get("resourceVersion", "")
        stream = _Stream(
            resource=target.resource,
            match=match,
            position=_number(version or "0"),
            epoch=self._epoch,
            ends=time.monotonic() + (_number(query.get("timeoutSeconds", "0")) or WATCH_SECONDS),
            bookmarks=query.get("allowWatchBookmarks") in ("true", "True", "1"),
        )
        first = []
        if not stream.position:
            stream.position = self._store.version
            found = filter(match, self._store.select(target.resource))
            first = [_line("ADDED", obj) for obj in found]
        return StreamingResponse(self._events(stream, first), media_type="application/json")

    async def _events(self, stream: _Stream, first: list[bytes]) -> AsyncIterator[bytes]:
        for line in first:
            yield line
        while stream.epoch == self._epoch and time.monotonic() < stream.ends:
            news = self._news
            try:
                changes = self._store.since(stream.position)
            except ApiError as error:
                yield _line("ERROR", error.status())
                return
            for change in changes:
                stream.position = change.version
                line = stream.line(change)
                if line and self._faults.watch_delay:
                    late = change.seconds + self._faults.watch_delay - time.monotonic()
                    await asyncio.sleep(max(0.0, late))
                if line:
                    yield line
            idle = min(BOOKMARK_SECONDS, max(0.0, stream.ends - time.monotonic()))
            try:
                await asyncio.wait_for(news.wait(), idle)
            except asyncio.TimeoutError:
                if stream.bookmarks:
                    yield stream.bookmark()

    def _log(self, target: Target, request: Request, body: bytes) -> Response:
        # https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
        query, pod = request.query_params, self._store.get(target.ref)
        unknown = {"previous", "sinceSeconds", "sinceTime", "timestamps", "stream"} & query.keys()
        if any(query[key] not in ("false", "False") for key in unknown):
            raise bad_request(f"this emulator does not know the parameters {sorted(unknown)}")
        spec = pod["spec"]
        names = [c["name"] for c in spec.get("initContainers", []) + spec["containers"]]
        container = query.get("container") or names[0]
        if not query.get("container") and len(names) > 1:
            choices = f"pod {target.name}, choose one of: [{' '.join(names)}]"
            raise bad_request(f"a container name must be specified for {choices}")
        if container not in names:
            raise bad_request(f"container {container} is not valid for pod {target.name}")
        state = _state(pod, container)
        if not state and not spec.get("nodeName"):
            return Response(media_type="text/plain")
        if not state.keys() & {"running", "terminated"}:
            reason = state.get("waiting", {}).get("reason", "ContainerCreating")
            where = f'container "{container}" in pod "{target.name}"'
            raise bad_request(f"{where} is waiting to start: {reason}")
        path = self._logs / f"{target.namespace}_{target.name}_{container}.log"
        tail, limit = (query.get(key) for key in ("tailLines", "limitBytes"))
        text = path.read_bytes() if path.exists() else b""
        shown = text
        if tail is not None:
            shown = b"".join(text.splitlines(keepends=True)[-_number(tail) or len(text) :])
        if limit is not None:
            shown = shown[: _number(limit)]
        if query.get("follow") not in ("true", "True", "1") or limit is not None:
            return Response(shown, media_type="text/plain")
        stream = _after(shown, self._follow(target.ref, container, path, len(text)))
        if self._faults.log_cuts:
            stream = self._cut(stream, self._faults.log_cuts.pop(0), request.scope)
        return StreamingResponse(stream, media_type="text/plain")

    async def _cut(
        self, stream: AsyncIterator[bytes], how: str, scope: Scope
    ) -> AsyncIterator[bytes]:
        async for chunk in stream:
            if len(chunk) < 3:  # There is no middle.
                yield chunk
                continue
            yield chunk.rstrip(b"\n")[:-1]
            if how == "reset":
                await asyncio.sleep(LOG_POLL_SECONDS)  # So that the half line arrives.
                Connection.open[scope["client"], scope["server"]].abort()
            return

    async def _follow(
        self, ref: Ref, container: str, path: Path, position: int
    ) -> AsyncIterator[bytes]:
        uid = self._store.get(ref)["metadata"]["uid"]
        runs = True
        while runs:
            # What is written before the end is seen is read after it.
            pod = self._store.find(ref)
            there = pod is not None and pod["metadata"]["uid"] == uid
            runs = there and "terminated" not in _state(pod or {}, container)
            if path.exists():
                with path.open("rb") as log:
                    log.seek(position)
                    text = log.read()
                position += len(text)
                if text:
                    yield text
            if runs:
                await asyncio.sleep(LOG_POLL_SECONDS)

    # -- Writing -------------------------------------------------------------------------------

    def _decoded(self, resource: Resource, request: Request, body: Any) -> tuple[Object, str]:
        query = request.query_params
        validation = query.get("fieldValidation", "Warn")
        obj, warnings = decode(resource, body, strict=validation == "Strict")
        texts = [json.dumps(text) for text in warnings if validation == "Warn"]
        return obj, ", ".join(f"299 - {text}" for text in texts)

    def _create(self, target: Target, request: Request, body: bytes) -> Response:
        obj, warning = self._decoded(target.resource, request, _json(body))
        place, dry_run = target.ref.namespace, _is_dry(request)
        created = self._store.create(target.resource, place, obj, dry_run=dry_run)
        return _written(created, warning, 201)

    def _update(self, target: Target, request: Request, body: bytes) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0]
        given, warnings = _json(body), [""]

        def change(old: Object) -> Object:
            new = given if target.verb == "update" else apply_patch(kind, old, given)
            obj, warnings[0] = self._decoded(target.resource, request, new)
            obj["metadata"].setdefault("name", target.name)
            return obj

        status = bool(target.subresource) and target.resource.has_status
        dry_run = _is_dry(request)
        changed = self._store.modify(target.ref, change, status=status, dry_run=dry_run)
        return _written(changed, warnings[0], 200)

    def _delete(self, target: Target, request: Request, body: bytes) -> Response:
        return JSONResponse(self._delete_one(target.ref, _delete_options(request, body)))

    def _delete_one(self, ref: Ref, options: Object) -> Object:
        obj = self._store.delete(ref, options)
        resource, uid = ref.resource, obj["metadata"]["uid"]
        if self._store.find(ref) or resource.kind in ("Pod", "ServiceAccount"):
            return obj
        details = {"name": ref.name, "group": resource.group, "kind": resource.plural, "uid": uid}
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return status | {"details": details}

    def _delete_several(self, target: Target, request: Request, body: bytes) -> Response:
        options = _delete_options(request, body)
        found = list(filter(self._match(target, request), self._store.select(target.resource)))
        for obj in found:
            self._delete_one(Ref.of(obj), options)
        return JSONResponse(_list_of(target.resource, found, {}))

    def _bind(self, target: Target, request: Request, body: bytes) -> Response:
        # https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/binding-v1/
        node = _json(body).get("target", {}).get("name", "")
        if not node:
            problems = Problems()
            problems.required("target.name")
            problems.refuse(Resource("Binding", ""), target.name)
        self._store.bind(target.ref, node)
        return JSONResponse({"kind": "Status", "apiVersion": "v1", "status": "Success"}, 201)

    def _token(self, target: Target, request: Request, body: bytes) -> Response:
        # https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
        asked = _json(body)
        seconds = asked.get("spec", {}).get("expirationSeconds") or 3600
        if seconds < MIN_TOKEN_SECONDS:
            problems, why = Problems(), "may not specify a duration less than 10 minutes"
            problems.invalid("spec.expirationSeconds", seconds, why)
            problems.refuse(Resource("TokenRequest", "", "authentication.k8s.io"), target.name)
        token = self._access.issue(target.namespace, target.name)
        expires = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        asked |= {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
        asked["spec"] = {"audiences": ["https://kubernetes"], "expirationSeconds": seconds}
        asked["status"] = {"token": token, "expirationTimestamp": f"{expires:%Y-%m-%dT%H:%M:%SZ}"}
        return JSONResponse(asked, 201)


@dataclass
class _Stream:
    """What one watch is about, and how far it has come."""

    resource: Resource
    match: Match
    position: int
    epoch: int
    ends: float
    bookmarks: bool

    def line(self, change: Change) -> bytes:
        """What the watch says of a change; nothing if it is of no concern."""
        if change.ref.resource is not self.resource:
            return b""
        before = change.old is not None and self.match(change.old)
        after = change.type != "DELETED" and self.match(change.obj)
        if not before and not after:
            return b""
        kind = "MODIFIED" if after else "DELETED"
        return _line(kind if before else "ADDED", change.obj)

    def bookmark(self) -> bytes:
        """Says how far the watch has come."""
        meta = {"resourceVersion": str(self.position), "creationTimestamp": None}
        header = {"kind": self.resource.kind, "apiVersion": self.resource.api_version}
        return _line("BOOKMARK", header | {"metadata": meta})


def _line(kind: str, obj: Object) -> bytes:
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"


def _list_of(resource: Resource, found: list[Object], meta: Object) -> Object:
    # The items of a list do not say what they are.
    items = [{k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} for obj in found]
    header = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
    return header | {"metadata": meta, "items": items}


def _written(obj: Object, warning: str, status: int) -> Response:
    return JSONResponse(obj, status, {"Warning": warning} if warning else None)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from error


def _number(text: str) -> int:
    if not text.isdecimal():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _is_dry(request: Request) -> bool:
    return request.query_params.get("dryRun") == "All"


def _delete_options(request: Request, body: bytes) -> Object:
    # The query only counts if there is no body.
    query: Object = dict(request.query_params)
    for key in {"gracePeriodSeconds"} & query.keys():
        query[key] = _number(query[key])
    options: Object = _json(body) if body else query
    return options


def _state(pod: Object, container: str) -> Object:
    status = pod.get("status", {})
    for known in status.get("containerStatuses", []) + status.get("initContainerStatuses", []):
        if known["name"] == container:
            return dict(known.get("state", {}))
    return {}


async def _after(first: bytes, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in stream:
        yield chunk
