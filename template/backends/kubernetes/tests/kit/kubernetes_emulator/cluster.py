# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""An emulator of a Kubernetes cluster, on loopback, for the official client.

Its API server stores, validates, watches and deletes as the real one does, and the controllers of
Jobs and CronJobs run in it. Containers run elsewhere: a node takes the pods through the same API.

What it lacks: other kinds than those in `schema.py`, server-side apply, discovery, Indexed
Jobs, scopes of quotas and admission policies. Whatever it does not know it refuses.
https://kubernetes.io/docs/concepts/overview/kubernetes-api/
"""

from __future__ import annotations

import asyncio
import copy
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trustme
import uvicorn
import yaml
from ..timeouts import wait_until
from .access import CLUSTER_ROLES, Access
from .api import Api, Call, Connection, Faults
from .controllers import Controllers
from .schema import KINDS, RESOURCES, Object, decode, now
from .store import PODS, Ref, Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typing_extensions import Self

    Result = TypeVar("Result")

__all__ = ["Call", "Cluster", "Faults"]

HOST = "127.0.0.1"


class Cluster:
    """The emulator: a context manager that starts and stops the server.

    All its state lives in the event loop's thread; the methods may be called from any other.
    """

    def __init__(
        self,
        folder: Path,
        *,
        namespace: str = "zenml",
        pod_backoff_seconds: float = 0.2,
        version: str = "v1.34.0",
    ) -> None:
        """Prepares a cluster with nothing but a namespace in it.

        Args:
            folder: Where certificates and logs go.
            namespace: The namespace that its methods are about.
            pod_backoff_seconds: How long a Job waits before it replaces its first failed pod. It
                doubles with each further one; the real cluster waits 10 seconds.
            version: What it says its version is, as a build is named: `v1.26.15-eks-a5ec690`. It
                behaves like the newest in any case.
        """
        self.namespace = namespace
        self.log_folder = folder / "container-logs"
        """A node writes `<namespace>_<pod>_<container>.log` here; `pods/log` serves it."""
        self.ca_file = folder / "ca.crt"
        self.faults = Faults(self._end_watches)
        self._store = Store()
        access = Access(self._store)
        self._access = access
        self.admin_token, self.node_token = access.admin_token, access.node_token
        """Tokens of two accounts, `admin` and `node`, that may do everything."""
        self._api = Api(self._store, access, self.log_folder, self.faults, version)
        self.calls: list[Call] = self._api.calls
        """Every request so far."""
        self._controllers = Controllers(self._store, pod_backoff_seconds)
        self._certificate = folder / "server.pem"
        # Told that it is TCP, asyncio turns off Nagle's algorithm, which costs 40 ms a request.
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)
        self._started = threading.Event()

    def __enter__(self) -> Self:
        """Starts the server."""
        self.log_folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        certificate = authority.issue_cert(HOST, "localhost")
        certificate.private_key_and_cert_chain_pem.write_to_path(str(self._certificate))
        self._socket.bind((HOST, 0))
        self._socket.listen()
        self.url = f"https://{HOST}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self._api,
            http=Connection,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            ssl_certfile=self._certificate,
            timeout_keep_alive=300,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=asyncio.run, args=[self._serve()], daemon=True)
        self._thread.start()
        self._started.wait()
        self._run(self._seed)
        return self

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._started.set()
        await self._server.serve(sockets=[self._socket])

    def __exit__(self, *_: object) -> None:
        """Stops the server, open watches included."""
        self.faults.drop_watches()
        self._server.should_exit = True
        # Clients that keep a connection open would keep the server waiting.
        abort = partial(Connection.abort_all, self._socket.getsockname()[1])
        self._loop.call_soon_threadsafe(self._loop.call_later, 0.05, abort)
        self._thread.join()
        self._socket.close()

    def _run(self, function: Callable[[], Result]) -> Result:
        async def run() -> Result:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def _end_watches(self, *, expired: bool) -> None:
        self._run(lambda: self._api.end_watches(expired=expired))

    def _seed(self) -> None:
        for name in ("default", self.namespace):
            meta = {"name": name}
            self._apply({"kind": "Namespace", "metadata": meta})
        for name, rules in CLUSTER_ROLES.items():
            meta = {"name": name}
            self._apply({"kind": "ClusterRole", "metadata": meta, "rules": rules})

    def _apply(self, manifest: Object) -> None:
        resource = KINDS[manifest["kind"]]
        obj, _ = decode(resource, manifest, strict=True)
        place = obj["metadata"].get("namespace", self.namespace) if resource.namespaced else ""
        ref = Ref(resource, place, obj["metadata"]["name"])
        if self._store.find(ref):
            self._store.modify(ref, lambda _: copy.deepcopy(obj))
        else:
            self._store.create(resource, place, obj)

    def write_kubeconfig(
        self,
        path: Path,
        *,
        token: str | None = None,
        context: str = "emulator",
        namespace: str | None = None,
    ) -> Path:
        """Writes a kubeconfig for this cluster.

        Args:
            path: Where to.
            token: Whose; the administrator's by default.
            context: The name of the context, of the cluster and of the user in it.
            namespace: The context's namespace; the cluster's own by default.

        Returns:
            The path.
        """
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        names = {"cluster": context, "user": context, "namespace": namespace or self.namespace}
        user = {"token": token or self.admin_token}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": context, "user": user}],
            "contexts": [{"name": context, "context": names}],
        }
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def authorize(self, manifests: str) -> None:
        """Applies manifests: service accounts, roles, bindings, or any other objects.

        Args:
            manifests: YAML, one document for each. An object without a namespace goes into the
                cluster's own.

        Raises:
            ApiError: One of them is refused.
        """
        for manifest in filter(None, yaml.safe_load_all(manifests)):
            self._run(partial(self._apply, manifest))

    def token_for(self, service_account: str) -> str:
        """A token of a service account, as a pod of its gets.

        Raises:
            ApiError: 404, there is no such account.
        """
        return self._run(lambda: self._access.issue(self.namespace, service_account))

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Copies of all objects of a kind, for instance `Job`, in all namespaces."""
        return self._run(lambda: copy.deepcopy(self._store.select(KINDS[kind])))

    def fire(self, cron_job: str) -> str:
        """Creates the Job that a CronJob would create now, at the minute of its schedule.

        Returns:
            The Job's name.

        Raises:
            RuntimeError: There would be no Job: it is suspended, or its concurrency policy
                forbids one.
            ApiError: There is no such CronJob.
        """
        ref = Ref(RESOURCES["cronjobs"], self.namespace, cron_job)
        return self._run(lambda: self._controllers.fire(ref))

    def evict(self, pod: str) -> None:
        """Does to a pod's status what the kubelet does when its node runs out of something.

        https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/

        Raises:
            ApiError: There is no such pod.
        """
        why = "The node was low on resource: memory."
        disruption = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "TerminationByKubelet",
            "message": why,
            "lastTransitionTime": now(),
        }

        def change(obj: Object) -> None:
            obj["status"] |= {"phase": "Failed", "reason": "Evicted", "message": why}
            obj["status"].setdefault("conditions", []).append(disruption)

        self._run(lambda: self._store.modify(Ref(PODS, self.namespace, pod), change, status=True))

    def wait(self, condition: Callable[[], Any], seconds: float = 30) -> None:
        """Waits until something is true.

        Args:
            condition: Asked again and again.
            seconds: How long at most.

        Raises:
            TimeoutError: It has not become true.
        """
        wait_until(condition, seconds, what="what a test waits for")
