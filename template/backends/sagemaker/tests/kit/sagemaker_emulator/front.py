# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What stands before moto: it sees each request first.

It looks who calls, notes the call, makes it fail if faults are wanted, checks it against the
service's model, and answers what moto does not do or does wrongly. The rest goes to moto.
https://docs.getmoto.org/
"""

from __future__ import annotations

import io
import json
import re
import secrets
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from ..emulated_service import Faults
from .model import ApiError, check, service_model
from werkzeug.serving import WSGIRequestHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Object = dict[str, Any]

# By the names in signatures. Requests to these are checked.
CHECKED = ("sagemaker", "scheduler", "secretsmanager", "sts")
KINDS = ("throttling", "500", "503", "reset")
# Where the access key and the service stand in a signed request's header.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request")
# Where an error's code stands in the body of an answer.
ERROR_CODE = re.compile(rb'"__type":\s*"([^"]+)"|<Code>([^<]+)</Code>')


class Keys(NamedTuple):
    """Credentials."""

    access_key: str
    secret_key: str
    token: str = ""

    @classmethod
    def make(cls, prefix: str, token: str = "") -> Keys:
        """Makes some.

        Args:
            prefix: `AKIA` for a user's, `ASIA` for temporary ones.
            token: The session token.
        """
        return cls(prefix + secrets.token_hex(8).upper(), secrets.token_hex(20), token)


@dataclass(frozen=True)
class Call:
    """A request that was answered.

    Attributes:
        service: `sagemaker`, `s3` and so on.
        operation: Its name; for S3 and services that are not checked, the method and the path.
        status: The HTTP status, 0 if the connection was reset.
        error: The error's code, or nothing.
        request: What was asked for, if it is a checked service.
        seconds: How long it took.
        caller: `user`, `container`, or `session` for credentials from STS.
    """

    service: str
    operation: str
    status: int
    error: str
    request: Object = field(repr=False)
    seconds: float
    caller: str


class Answer(NamedTuple):
    """An answer, on its way to the client."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Handler(WSGIRequestHandler):
    """Handles connections, and says nothing about it."""

    # Otherwise the second half of an answer waits 40 ms for the client to confirm the first.
    disable_nagle_algorithm = True

    def log(self, *_: Any) -> None:
        """Logs nothing."""

    def connection_dropped(self, *_: Any) -> None:
        """Resets the connection: closed with nothing to linger for, it sends RST."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True


class Front:
    """The WSGI application."""

    def __init__(
        self,
        moto: Callable[..., Iterable[bytes]],
        account_id: str,
        operations: dict[str, Callable[[Object], Object | None]],
    ) -> None:
        """Knows nobody but the user, the containers, and the emulator itself.

        Args:
            moto: Answers the rest.
            account_id: Whose account moto shall take it for.
            operations: The functions that answer requests, by service and operation, such as
                `sagemaker:AddTags`. If one returns None, moto answers.
        """
        self.calls: list[Call] = []
        self.faults = Faults(KINDS)
        self.denied: set[str] = set()
        self.user, self.own = Keys.make("AKIA"), Keys.make("AKIA")
        self.container = Keys.make("ASIA", secrets.token_urlsafe(100))
        self._callers = {self.user.access_key: "user", self.container.access_key: "container"}
        self._moto, self._account_id, self._operations = moto, account_id, operations
        self._expired: set[str] = set()
        self._expire_next = False
        self._lock = threading.Lock()

    def expire(self) -> None:
        """Lets all credentials expire that STS has handed out."""
        self._expired |= {key for key, caller in self._callers.items() if caller == "session"}

    def expire_once(self) -> None:
        """Lets the credentials of the next call be expired, whoever makes it."""
        self._expire_next = True

    def __call__(self, environ: Object, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers a request, as a WSGI application does."""
        started = time.monotonic()
        found = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        access_key, service = found.groups() if found else ("", "")
        own = access_key == self.own.access_key
        with self._lock:
            fault = "" if own else self.faults.draw()
        body = b""
        operation, request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}", Object()
        if service in CHECKED:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
        try:
            if service in CHECKED:
                operation, request = read_request(service, environ, body)
            if fault and fault != "reset-after":
                raise_fault(fault, service)
            caller = "" if own else self._authenticate(access_key, service)
            if service in CHECKED:
                if caller == "container" and f"{service}:{operation}" in self.denied:
                    text = f"User is not authorized to perform: {service}:{operation}"
                    raise ApiError("AccessDeniedException", text, 400)
                answer = self._carry_out(service, operation, request, environ)
            else:
                answer = self._ask_moto(environ)
            if fault:
                raise ConnectionResetError
        except ApiError as error:
            answer = error_answer(error, service)
        except ConnectionResetError:
            answer = Answer("000 reset", [], b"")
        except Exception as error:  # A bug of ours. The client says so.
            problem = ApiError("InternalFailure", f"The emulator failed: {error!r}", 500)
            answer = error_answer(problem, service)
        status = int(answer.status[:3])
        if not own:
            code = ERROR_CODE.search(answer.body) if status >= 400 else None
            error_code = (code[1] or code[2]).decode() if code else ""
            header = dict(answer.headers).get("x-amzn-ErrorType", "")
            who = self._callers.get(access_key, "")
            seconds = time.monotonic() - started
            call = Call(service, operation, status, error_code or header, request, seconds, who)
            self.calls.append(call)
        if not status:
            raise ConnectionResetError
        start_response(answer.status, answer.headers)
        return [answer.body]

    def _authenticate(self, access_key: str, service: str) -> str:
        """Finds out who calls.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html
        """
        with self._lock:
            expired = self._expire_next or access_key in self._expired
            self._expire_next = False
        if expired:
            # S3 and STS leave "Exception" out.
            code = "ExpiredToken" if service in ("s3", "sts") else "ExpiredTokenException"
            raise ApiError(code, "The security token included in the request is expired")
        if access_key not in self._callers:
            text = "The security token included in the request is invalid."
            raise ApiError("UnrecognizedClientException", text, 403)
        return self._callers[access_key]

    def _carry_out(self, service: str, operation: str, request: Object, environ: Object) -> Answer:
        model = service_model(service).operation_model(operation)
        if model.input_shape is not None:
            check(model.input_shape, request)
        ours = self._operations.get(f"{service}:{operation}")
        answer = ours(request) if ours is not None else None
        if answer is None:
            found = self._ask_moto(environ)
            if service == "sts":
                for key in re.findall(rb"<AccessKeyId>(\w+)</AccessKeyId>", found.body):
                    self._callers[key.decode()] = "session"
            return found
        if model.output_shape is not None:
            # One from a bucket can be longer than the model says.
            short = {"PipelineDefinition": "{}"} if "PipelineDefinition" in answer else {}
            check(model.output_shape, answer | short)
        headers = [("Content-Type", "application/x-amz-json-1.1")]
        return Answer("200 OK", headers, json.dumps(answer).encode())

    def _ask_moto(self, environ: Object) -> Answer:
        noted: list[Any] = []

        def note(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            noted.extend((status, headers))

        # https://docs.getmoto.org/en/latest/docs/multi_account.html
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account_id
        body = b"".join(self._moto(environ, note))
        return Answer(noted[0], noted[1], body)


def read_request(service: str, environ: Object, body: bytes) -> tuple[str, Object]:
    """Returns the operation that is asked for, and what is asked.

    Raises:
        ApiError: There is no such operation.
    """
    model = service_model(service)
    try:
        if model.metadata["protocol"] == "json":
            operation = environ["HTTP_X_AMZ_TARGET"].partition(".")[2]
            request = json.loads(body or b"{}")
        elif model.metadata["protocol"] == "query":
            form = {name: values[0] for name, values in parse_qs(body.decode(), True).items()}
            operation = form["Action"]
            shape = model.operation_model(operation).input_shape
            request = from_form(shape, form, "") if shape is not None else Object()
        else:
            operation, request = from_path(model, environ)
            request |= json.loads(body or b"{}")
    except (KeyError, ValueError) as error:
        raise ApiError("SerializationException", f"The request cannot be read: {error}") from error
    if operation not in model.operation_names:
        raise ApiError("UnknownOperationException", f"There is no operation {operation}", 404)
    return operation, request


def from_form(shape: Any, form: dict[str, str], prefix: str) -> Any:
    """Returns the value that a form has in its fields with a prefix; None if there is none.

    https://docs.aws.amazon.com/STS/latest/APIReference/CommonParameters.html
    """
    if shape.type_name == "structure":
        found = {
            name: from_form(member, form, f"{prefix}.{name}".lstrip("."))
            for name, member in shape.members.items()
        }
        value = {name: item for name, item in found.items() if item is not None}
        return value if value or not prefix else None
    if shape.type_name == "list":
        numbered = (f"{prefix}.member.{number}" for number in count(1))
        items = (from_form(shape.member, form, name) for name in numbered)
        return [*takewhile(lambda item: item is not None, items)] or None
    if prefix not in form:
        return None
    return json.loads(form[prefix]) if shape.type_name != "string" else form[prefix]


def from_path(model: Any, environ: Object) -> tuple[str, Object]:
    """Returns the operation that a method and a path are for, and what both say."""
    path = environ["PATH_INFO"]
    query = parse_qs(environ.get("QUERY_STRING", ""))
    for name in model.operation_names:
        operation = model.operation_model(name)
        uri = re.escape(operation.http["requestUri"])
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", uri)
        found = re.fullmatch(pattern, path)
        if found is None or operation.http["method"] != environ["REQUEST_METHOD"]:
            continue
        request: Object = {}
        for member, shape in operation.input_shape.members.items():
            where = shape.serialization.get("location")
            key = shape.serialization.get("name", member)
            if where == "uri":
                request[member] = unquote(found[key])
            elif where == "querystring" and key in query:
                is_text = shape.type_name == "string"
                request[member] = query[key][0] if is_text else json.loads(query[key][0])
        return name, request
    raise KeyError(path)


def raise_fault(fault: str, service: str) -> None:
    """Lets a request fail.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html

    Raises:
        ApiError: As the service answers if too much is asked of it, or it does not work.
        ConnectionResetError: If that is the fault.
    """
    if fault == "throttling" and service == "s3":
        raise ApiError("SlowDown", "Please reduce your request rate.", 503)
    if fault == "throttling":
        raise ApiError("ThrottlingException", "Rate exceeded")
    if fault == "500":
        raise ApiError("InternalFailure", "We encountered an internal error.", 500)
    if fault == "503":
        raise ApiError("ServiceUnavailable", "The service is unavailable. Try again later.", 503)
    raise ConnectionResetError


def error_answer(error: ApiError, service: str) -> Answer:
    """Returns an error in the form that a service's clients read."""
    if service in ("s3", "sts", "iam", ""):
        text = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
        if service != "s3":
            text = f"<Error>{text}</Error><RequestId>none</RequestId>"
        name = "Error" if service == "s3" else "ErrorResponse"
        body = f'<?xml version="1.0"?><{name}>{text}</{name}>'.encode()
        headers = [("Content-Type", "application/xml")]
    else:
        body = json.dumps({"__type": error.code, "message": error.message}).encode()
        headers = [("Content-Type", "application/x-amz-json-1.1")]
        headers.append(("x-amzn-ErrorType", error.code))
    return Answer(f"{error.status} Error", headers, body)
