# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""How the emulator is called: the same methods over REST and over gRPC.

Either way a call is noted, made to fail if faults are wanted, authenticated, and carried out.
https://cloud.google.com/apis/design/errors
https://cloud.google.com/vertex-ai/docs/reference/rest
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import grpc
from google.cloud import aiplatform_v1, secretmanager_v1
from google.longrunning import operations_pb2
from google.protobuf import json_format
from google.rpc import code_pb2, status_pb2
from ..emulated_service import Faults

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]

VERTEX = "google.cloud.aiplatform.v1"
SECRETS = "google.cloud.secretmanager.v1.SecretManagerService"
PLACE = "projects/*/locations/*"
# The HTTP status of each code that is answered here.
# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
HTTP = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}
FAULTS = {
    "UNAVAILABLE": "The service is currently unavailable.",
    "INTERNAL": "Internal error encountered.",
    "RESOURCE_EXHAUSTED": "The following quotas are exceeded: RequestsPerMinutePerRegion",
}
KINDS = (*FAULTS, "reset")
# How clients name the parts of a template.
FIELD = re.compile(r"\{([\w.]+)=([^}]*)\}")


class ApiError(Exception):
    """An error that the service answers with."""

    def __init__(self, code: str, message: str) -> None:
        """Takes what clients see of it.

        Args:
            code: The name of its code, such as `NOT_FOUND`.
            message: What is wrong.
        """
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message

    @property
    def status(self) -> Any:
        """The error as a `google.rpc.Status`."""
        number = code_pb2.Code.Value(self.code)
        return status_pb2.Status(code=number, message=self.message)


class ResetError(Exception):
    """The connection breaks."""


def refuse_if(condition: object, message: str, field: str = "") -> None:
    """Refuses a request under some condition.

    Args:
        condition: The condition.
        message: What is wrong.
        field: The path of the field that it is about, if it is about one.

    Raises:
        ApiError: The condition is true.
    """
    if condition:
        # So the service words it, see https://github.com/kubeflow/pipelines/issues/10111
        listed = f"List of found errors:\t1.Field: {field}; Message: {message}\t"
        raise ApiError("INVALID_ARGUMENT", listed if field else message)


@dataclass(frozen=True)
class Method:
    """A method of the API.

    Attributes:
        service: The service's full name.
        name: The method's name.
        request: The class of its request, a protobuf message.
        verb: The HTTP method.
        path: The path, with fields of the request in it.
        body: The field that the body is, `*` for the request itself.
    """

    service: str
    name: str
    request: Any
    verb: str
    path: str
    body: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What the path has to look like. Its groups are the fields, in order."""
        text, end = "", 0
        for field in FIELD.finditer(self.path):
            text += self.path[end : field.start()] + "(" + field[2].replace("*", "[^/:]+") + ")"
            end = field.end()
        return re.compile(text + self.path[end:])

    def read(self, found: re.Match[str], query: str, body: bytes) -> Any:
        """Returns the request that came over HTTP.

        Args:
            found: The path.
            query: The part of the URL that follows it.
            body: What was sent.

        Raises:
            ApiError: It is no such request.
        """
        content: Object = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            # Others are about the answer's form.
            if name[0] != "$" and name != "alt":
                is_bool = value in ("true", "false")
                put(content, name, value == "true" if is_bool else value)
        try:
            sent = json.loads(body) if body else {}
            if self.body == "*":
                content |= sent
            elif self.body:
                content[self.body] = sent
            for field, value in zip(FIELD.finditer(self.path), found.groups(), strict=True):
                put(content, field[1], unquote(value))
            return json_format.ParseDict(content, self.request())
        except (ValueError, json_format.ParseError) as error:
            text = f"Invalid JSON payload received. {error}"
            raise ApiError("INVALID_ARGUMENT", text) from error


def put(content: Object, name: str, value: Any) -> None:
    """Sets a field, whose name has dots in it if it is a field of a field."""
    *outer, last = name.split(".")
    for part in outer:
        content = content.setdefault(part, {})
    content[last] = value


def methods() -> list[Method]:
    """Returns all methods that there are."""
    vertex = {"Pipeline": "PipelineJob", "Job": "CustomJob", "Schedule": "Schedule"}
    found = []
    for service, noun in vertex.items():
        plural = f"{noun[0].lower()}{noun[1:]}s"
        parent = "/v1/{parent=" + PLACE + "}/" + plural
        name = "/v1/{name=" + PLACE + f"/{plural}/*" + "}"
        body = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", noun).lower()
        routes = [
            (f"Create{noun}", "POST", parent, body),
            (f"List{noun}s", "GET", parent, ""),
            (f"Get{noun}", "GET", name, ""),
            (f"Delete{noun}", "DELETE", name, ""),
        ]
        if noun == "Schedule":
            routes += [
                ("UpdateSchedule", "PATCH", name.replace("name=", "schedule.name="), "schedule"),
                ("PauseSchedule", "POST", name + ":pause", "*"),
                ("ResumeSchedule", "POST", name + ":resume", "*"),
            ]
        else:
            routes.append((f"Cancel{noun}", "POST", name + ":cancel", "*"))
        for method, *route in routes:
            request = getattr(aiplatform_v1, f"{method}Request").pb()
            found.append(Method(f"{VERTEX}.{service}Service", method, request, *route))
    secret, version = "/v1/{name=projects/*/secrets/*}", "projects/*/secrets/*/versions/*"
    add = "/v1/{parent=projects/*/secrets/*}:addVersion"
    for method, *route in (
        ("CreateSecret", "POST", "/v1/{parent=projects/*}/secrets", "secret"),
        ("GetSecret", "GET", secret, ""),
        ("DeleteSecret", "DELETE", secret, ""),
        ("AddSecretVersion", "POST", add, "*"),
        ("AccessSecretVersion", "GET", "/v1/{name=" + version + "}:access", ""),
    ):
        request = getattr(secretmanager_v1, f"{method}Request").pb()
        found.append(Method(SECRETS, method, request, *route))
    # https://cloud.google.com/vertex-ai/docs/general/long-running-operations
    operation = "/v1/{name=" + PLACE + "/operations/*}"
    for method, verb, ending in (("GetOperation", "GET", ""), ("WaitOperation", "POST", ":wait")):
        request = getattr(operations_pb2, f"{method}Request")
        body = "*" if verb == "POST" else ""
        path = operation + ending
        found.append(Method("google.longrunning.Operations", method, request, verb, path, body))
    return found


class Call:
    """A call that was answered.

    Attributes:
        service: The service's name, such as `JobService`.
        method: The method's name.
        transport: `rest` or `grpc`.
        status: The name of the answer's code, such as `OK`, or `RESET`.
        caller: `user`, `container`, or nothing if it did not get as far as that.
        seconds: How long it took.
    """

    def __init__(self, method: Method, transport: str, message: Any) -> None:
        """Begins now.

        Args:
            method: The method.
            transport: How it was called.
            message: The request.
        """
        self.service, self.method = method.service.rpartition(".")[2], method.name
        self.transport, self.status, self.caller = transport, "OK", ""
        self._message, self._began, self.seconds = message, time.monotonic(), 0.0

    @cached_property
    def request(self) -> Object:
        """The request, with the names that fields have in Python."""
        found: Object = json_format.MessageToDict(self._message, preserving_proto_field_name=True)
        return found

    def end(self) -> None:
        """Notes how long it took."""
        self.seconds = time.monotonic() - self._began

    def __repr__(self) -> str:
        """Returns what matters when a test has failed."""
        return f"Call({self.method}, {self.transport}, {self.caller}: {self.status})"


class Front:
    """Takes calls, whatever the transport."""

    def __init__(
        self,
        authenticate: Callable[[str], str],
        functions: dict[str, Callable[[Any], Any]],
    ) -> None:
        """Has had no calls yet.

        Args:
            authenticate: Tells from a header who calls.
            functions: What carries out the methods, by their names.
        """
        self.calls: list[Call] = []
        self.faults = Faults(KINDS)
        self.denied: set[str] = set()
        self.methods = methods()
        self._authenticate, self.functions = authenticate, functions

    def answer(self, method: Method, message: Any, transport: str, authorization: str) -> Any:
        """Answers a call.

        Args:
            method: The method.
            message: The request.
            transport: `rest` or `grpc`.
            authorization: The header that says who calls.

        Raises:
            ApiError: The answer is an error.
            ResetError: There is to be no answer.
        """
        call = Call(method, transport, message)
        fault = self.faults.draw()
        try:
            if fault in FAULTS:
                raise ApiError(fault, FAULTS[fault])
            if fault == "reset":
                raise ResetError
            call.caller = self._authenticate(authorization)
            if call.caller == "container" and method.name in self.denied:
                resource = getattr(message, "name", "") or getattr(message, "parent", "")
                text = f"Permission denied: {method.name} on resource '{resource}'"
                raise ApiError("PERMISSION_DENIED", text)
            answer = self.functions[method.name](message)
            if fault:
                raise ResetError
        except ApiError as error:
            call.status = error.code
            raise
        except ResetError:
            call.status = "RESET"
            raise
        except Exception as error:  # A bug of ours. The client says so.
            call.status = "INTERNAL"
            raise ApiError("INTERNAL", f"The emulator failed: {error!r}") from error
        finally:
            call.end()
            self.calls.append(call)
        return answer


# ---- gRPC --------------------------------------------------------------------------------------


class GrpcHandler(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers calls over gRPC."""

    def __init__(self, front: Front) -> None:
        """Takes who answers.

        Args:
            front: Takes the calls.
        """
        self._front = front
        self._methods = {f"/{each.service}/{each.name}": each for each in front.methods}

    def service(self, handler_call_details: Any) -> Any:
        """Returns what answers a call; None if there is no such method."""
        method = self._methods.get(handler_call_details.method)
        if method is None:
            return None
        metadata = dict(handler_call_details.invocation_metadata)
        authorization = metadata.get("authorization", "")

        def answer(message: Any, context: Any) -> Any:
            try:
                return self._front.answer(method, message, "grpc", authorization)
            except ApiError as error:
                details = ("grpc-status-details-bin", error.status.SerializeToString())
                context.set_trailing_metadata((details,))
                context.abort(grpc.StatusCode[error.code], error.message)
            except ResetError:  # The client's own library says that, in this case.
                text = "recvmsg:Connection reset by peer"
                context.abort(grpc.StatusCode.UNAVAILABLE, text)

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=method.request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )


def serve_grpc(front: Front, key_and_certificate: tuple[bytes, bytes]) -> tuple[Any, int]:
    """Starts a gRPC server with TLS.

    Args:
        front: Takes the calls.
        key_and_certificate: Of `localhost`, as PEM.

    Returns:
        The server, and its port.
    """
    server = grpc.server(
        ThreadPoolExecutor(16, "grpc"),
        [GrpcHandler(front)],
        options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    credentials = grpc.ssl_server_credentials([key_and_certificate])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    return server, port


# ---- REST --------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """An answer over HTTP."""

    status: int
    content: Any
    headers: dict[str, str] | None = None
    text: str = ""


class RestHandler(BaseHTTPRequestHandler):
    """Answers requests over HTTP."""

    front: ClassVar[Front]
    others: ClassVar[Callable[[str, str, bytes, Any], Answer | None]]
    protocol_version = "HTTP/1.1"
    # Otherwise the second half of an answer waits 40 ms for the client to confirm the first.
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle_one_request(self) -> None:
        """Answers one request; ends quietly when the client is gone."""
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            answer = self._find(body)
        except ApiError as error:
            answer = Answer(HTTP[error.code], error_content(error))
        except ResetError:
            # Closed with nothing to linger for, it sends RST.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
            return
        text = answer.text or json.dumps(answer.content)
        self.send_response(answer.status)
        json_type = {"Content-Type": "application/json; charset=UTF-8"}
        for name, value in {**json_type, **(answer.headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def _find(self, body: bytes) -> Answer:
        url = urlsplit(self.path)
        for method in self.front.methods:
            found = method.pattern.fullmatch(url.path)
            if found is not None and method.verb == self.command:
                message = method.read(found, url.query, body)
                authorization = self.headers.get("Authorization", "")
                answer = self.front.answer(method, message, "rest", authorization)
                return Answer(200, json_format.MessageToDict(answer))
        other = type(self).others(self.command, self.path, body, self.headers)
        if other is None:
            raise ApiError("NOT_FOUND", f"The requested URL {url.path} was not found.")
        return other

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - as the base class has it

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""


def error_content(error: ApiError) -> Object:
    """Returns an error as it is in JSON.

    https://cloud.google.com/apis/design/errors#http_mapping
    """
    content = {"code": HTTP[error.code], "message": error.message, "status": error.code}
    return {"error": content}


def serve_rest(
    front: Front, others: Callable[[str, str, bytes, Any], Answer | None]
) -> ThreadingHTTPServer:
    """Starts an HTTP server.

    Args:
        front: Takes the calls.
        others: Answers what is no method of the API, given the HTTP method, the path with
            the query, the body, and the headers. It returns None for what it does not know.
    """
    members = {"front": front, "others": staticmethod(others)}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (RestHandler,), members))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    return server
