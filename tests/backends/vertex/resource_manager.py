"""A server on loopback for the one question that Google's SDK asks Resource Manager.

Before it submits a pipeline, the SDK looks whether the bucket belongs to the project. If nobody
answers it asks for a minute, says that the bucket does not, and submits.
https://cloud.google.com/resource-manager/reference/rpc/google.cloud.resourcemanager.v3
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
from google.cloud.resourcemanager_v3 import GetProjectRequest, Project
from kit.vertex_emulator.project import authority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit import vertex_emulator

NAME = "cloudresourcemanager.googleapis.com"
SERVICE = "google.cloud.resourcemanager.v3.Projects"


@contextmanager
def answering(project: vertex_emulator.Project) -> Iterator[str]:
    """Starts the server, and stops it at the end.

    Args:
        project: The only project that it knows.

    Yields:
        Where it is.
    """

    def get_project(request: GetProjectRequest, context: grpc.ServicerContext) -> Project:
        if request.name not in (f"projects/{project.id}", f"projects/{project.number}"):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"no {request.name} here")
        return Project(name=f"projects/{project.number}", project_id=project.id)

    method = grpc.unary_unary_rpc_method_handler(
        get_project, GetProjectRequest.deserialize, Project.serialize
    )
    handler = grpc.method_handlers_generic_handler(SERVICE, {"GetProject": method})
    issued = authority().issue_cert(NAME)
    chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
    keys = (issued.private_key_pem.bytes(), chain)
    server = grpc.server(ThreadPoolExecutor(2), [handler])
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([keys]))
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)
