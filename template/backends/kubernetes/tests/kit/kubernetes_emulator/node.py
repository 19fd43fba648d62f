# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""A node of the emulated cluster: it runs the containers of pods as processes.

It is scheduler and kubelet in one, and knows of pods only through the Kubernetes API: it
lists and watches them, and reports by patching their status, as a kubelet does. The official
documentation of what a kubelet does lies mostly in
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/

What it does not do: it pulls no images, enforces no CPU or memory limits, and has no network
of its own; a pod's IP address is 127.0.0.1. Security contexts change nothing. What a pod asks
for and would miss here (several containers at a time, probes, most kinds of volumes) makes it
fail, with a message that says so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import shutil
import socket
import threading
import time
import uuid
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from ..containers import Container, ContainerError, Containers, Program, Request, real_path
from .pod import (
    ADDRESS,
    NAME,
    RefusedError,
    WaitingError,
    conditions,
    container_environment,
    events,
    expand,
    now,
    refuse,
    service_variables,
    state,
    why_not,
)
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

logger = logging.getLogger(__name__)

ENDED = ("Succeeded", "Failed")
# A kubelet waits longer (10 s, doubling, before a restart): tests need not.
RETRY_SECONDS = 0.2
# Connect and read timeouts of a request; those of a watch.
REQUEST_TIMEOUT = (5, 30)
WATCH_SECONDS = 240
# Between two watches, lest a server that ends them at once is asked all the time.
WATCH_PAUSE_SECONDS = 0.02
TOKEN_SECONDS = 3607

# https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
# The working directory of the images that ZenML builds.
IMAGE_FOLDER = "/app"
# What a program is looked for in, if the image sets no PATH.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Start(NamedTuple):
    """A container's process that was started; `time` is in seconds since the epoch."""

    pod: str
    pid: int
    time: float


class PodEndedError(Exception):
    """The pod is deleted or evicted, or the node closes: there is nothing more to run."""


class Pod:
    """A pod that this node has taken."""

    def __init__(self, manifest: dict[str, Any], folder: Path) -> None:
        """Makes the pod's own folder.

        Args:
            manifest: The pod, as the API tells it.
            folder: The folder of all pods.
        """
        self.manifest = manifest
        self.folder = folder / f"{self.name}-{self.uid[:8]}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.status: dict[str, Any] = {}
        self.containers: dict[str, dict[str, Any]] = {}  # Their statuses, by name.
        self.process: Container | None = None
        self.ending = threading.Event()
        self.finished = False
        self.out_of_memory = False
        self.unschedulable = ""
        self._grace: float | None = None
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The pod's name."""
        return str(self.manifest["metadata"]["name"])

    @property
    def uid(self) -> str:
        """The pod's UID: another pod may get its name."""
        return str(self.manifest["metadata"]["uid"])

    @property
    def deleted(self) -> bool:
        """Whether somebody has asked to delete it."""
        return "deletionTimestamp" in self.manifest["metadata"]

    @property
    def failed_elsewhere(self) -> bool:
        """Whether somebody else has made it fail, as an eviction does."""
        return bool(
            self.manifest.get("status", {}).get("phase") == "Failed"
            and self.status.get("phase") != "Failed"
        )

    def update(self, manifest: dict[str, Any]) -> None:
        """Takes note of a change, which may be the pod's end."""
        self.manifest = manifest
        if self.deleted:
            metadata, spec = manifest["metadata"], manifest["spec"]
            default = spec.get("terminationGracePeriodSeconds", 30)
            self.end(metadata.get("deletionGracePeriodSeconds", default))
        elif self.failed_elsewhere:
            self.end(0)

    def runs(self, process: Container) -> None:
        """Takes note of the process, and ends it if the pod is already to end."""
        with self._lock:
            self.process = process
            if self._grace is not None:
                self._stop(process, self._grace)

    def end(self, grace: float) -> None:
        """Ends the process, now or as soon as there is one.

        Args:
            grace: How long it may take, in seconds; 0 kills it at once.
        """
        with self._lock:
            if self._grace is not None and grace >= self._grace:
                return
            self._grace = grace
            self.ending.set()
            if self._timer is not None:
                self._timer.cancel()
            if self.process is not None:
                self._stop(self.process, grace)

    def _stop(self, process: Container, grace: float) -> None:
        with suppress(OSError):  # The node has closed.
            if grace <= 0:
                process.send_signal(9)
                return
            process.terminate()
        self._timer = threading.Timer(grace, self.end, (0,))
        self._timer.daemon = True
        self._timer.start()


class Node:
    """Runs the pods of a namespace, from `__enter__` to `__exit__`."""

    def __init__(  # noqa: PLR0913 - all but one have names
        self,
        api_client: client.ApiClient,
        *,
        namespace: str,
        folder: Path,
        log_folder: Path,
        preload: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Prepares the node.

        Args:
            api_client: The cluster's API, with an account that may do what a kubelet does.
            namespace: The namespace whose pods it takes.
            folder: Where each pod gets a folder.
            log_folder: Where containers' logs go: `<namespace>_<pod>_<container>.log`.
            preload: Modules to import once, in advance, for all Python containers.
            environment: What images bring (PATH, PYTHONPATH …). No container sees any
                variable of this process's own environment.
        """
        self.pull_fails_for: set[str] = set()
        self.unschedulable: Callable[[dict[str, Any]], str | None] = lambda _: None
        self.starts: list[Start] = []
        self._core = client.CoreV1Api(api_client)
        self._configuration = api_client.configuration
        self._namespace = namespace
        self._folder = folder
        self._log_folder = log_folder
        self._preload = preload
        self._image_environment = dict(environment or {})
        self._services = service_variables(self._configuration.host)
        self._pods: dict[str, Pod] = {}
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._stream: Any = None

    def __enter__(self) -> Node:
        """Starts to take pods."""
        for folder in (self._folder, self._log_folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._containers = Containers(
            self._folder, preload=self._preload, environment=self._image_environment
        )
        self._spawn(self._follow)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kills all processes, and reports nothing: as if the power failed."""
        self._closing.set()
        self._hang_up()
        for pod in [*self._pods.values()]:
            pod.end(0)
        self._containers.close()
        for thread in self._threads:
            thread.join(10)

    def pid(self, pod: str) -> int | None:
        """Returns the ID of the process that a pod runs; None if it runs none."""
        found = self._running(pod)
        return found[1].pid if found else None

    def kill(self, pod: str, signal: int = 9) -> None:
        """Sends a signal to a pod's process, as from outside of the container.

        Args:
            pod: The pod's name.
            signal: The signal's number.

        Raises:
            LookupError: If the pod runs no process.
        """
        found = self._running(pod)
        if found is None:
            raise LookupError(f"The pod `{pod}` runs no process.")
        found[1].send_signal(signal)

    def oom_kill(self, pod: str) -> None:
        """Kills a pod's process, as the kernel does when its memory limit is reached.

        Raises:
            LookupError: If the pod runs no process.
        """
        found = self._running(pod)
        if found is not None:
            found[0].out_of_memory = True
        self.kill(pod)

    def _running(self, name: str) -> tuple[Pod, Container] | None:
        for pod in [*self._pods.values()]:
            if pod.name == name and pod.process is not None:
                return pod, pod.process
        return None

    # ---- The API -----------------------------------------------------------------------------

    def _spawn(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]
        thread.start()

    def _call(self, method: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Calls the API until it answers.

        Returns:
            The answer's JSON.

        Raises:
            ApiException: If it refuses.
            PodEndedError: If the node closes.
        """
        more |= {"_preload_content": False, "_request_timeout": REQUEST_TIMEOUT}
        while not self._closing.is_set():
            try:
                return json.loads(method(*arguments, **more).data)
            except ApiException as error:
                if error.status not in (0, 429) and error.status < 500:
                    raise
            except (HTTPError, OSError, ValueError) as error:
                logger.debug("Trying again: %s", error)
            self._closing.wait(RETRY_SECONDS)
        raise PodEndedError

    def _follow(self) -> None:
        """Learns of pods: lists them, then watches, and lists again when that breaks off.

        https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
        """
        while not self._closing.is_set():
            try:
                listed = self._call(self._core.list_namespaced_pod, self._namespace)
                present = {pod["metadata"]["uid"]: pod for pod in listed["items"]}
                for uid in [*self._pods]:
                    if uid not in present:
                        self._forget(uid)
                for manifest in present.values():
                    self._see(manifest)
                self._watch(listed["metadata"]["resourceVersion"])
            except PodEndedError:
                return
            except (ApiException, HTTPError, OSError, ValueError) as error:
                if not self._closing.is_set():
                    logger.warning("The node lists its pods again: %s", error)
            self._closing.wait(RETRY_SECONDS)

    def _watch(self, version: str) -> None:
        """Follows what happens to pods after a version, until the API has forgotten it."""
        while not self._closing.wait(WATCH_PAUSE_SECONDS):
            self._stream = self._core.list_namespaced_pod(
                self._namespace,
                watch=True,
                resource_version=version,
                allow_watch_bookmarks=True,
                timeout_seconds=WATCH_SECONDS,
                _preload_content=False,
                _request_timeout=(REQUEST_TIMEOUT[0], WATCH_SECONDS + 10),
            )
            if self._closing.is_set():
                self._hang_up()
            with closing(self._stream):
                for event in events(self._stream):
                    kind, thing = event["type"], event["object"]
                    if kind == "ERROR":
                        return
                    version = thing["metadata"]["resourceVersion"]
                    if kind == "DELETED":
                        self._forget(thing["metadata"]["uid"])
                    elif kind != "BOOKMARK":
                        self._see(thing)

    def _hang_up(self) -> None:
        """Ends the watch, so that the thread that reads it goes on."""
        connection = getattr(self._stream, "connection", None)
        if (stream := getattr(connection, "sock", None)) is not None:
            with suppress(OSError):
                # Not the TLS socket's own method, which is not made for two threads.
                socket.socket.shutdown(stream, socket.SHUT_RDWR)

    def _see(self, manifest: dict[str, Any]) -> None:
        """Takes a pod that is new and for this node, and tells a known one what has changed."""
        uid = manifest["metadata"]["uid"]
        pod = self._pods.get(uid)
        if pod is not None:
            pod.update(manifest)
            if pod.deleted and pod.finished:
                self._spawn(self._delete, pod)
        elif (
            manifest["spec"].get("nodeName", NAME) == NAME
            and manifest.get("status", {}).get("phase") not in ENDED
        ):
            pod = self._pods[uid] = Pod(manifest, self._folder)
            pod.update(manifest)
            self._spawn(self._look_after, pod)

    def _forget(self, uid: str) -> None:
        """Kills what is left of a pod that no longer exists."""
        if (pod := self._pods.pop(uid, None)) is not None:
            pod.end(0)

    def _delete(self, pod: Pod) -> None:
        """Lets go of a pod that is to be deleted: from now on, it does not exist."""
        with suppress(ApiException, PodEndedError):  # It may be gone already.
            self._call(
                self._core.delete_namespaced_pod,
                pod.name,
                self._namespace,
                body={"gracePeriodSeconds": 0, "preconditions": {"uid": pod.uid}},
            )

    def _report(self, pod: Pod, **changes: Any) -> None:
        """Brings the pod's status to the API. What others have noted there stays."""
        pod.status |= changes
        status = pod.status
        for field, of_spec in (
            ("initContainerStatuses", "initContainers"),
            ("containerStatuses", "containers"),
        ):
            names = [container["name"] for container in pod.manifest["spec"].get(of_spec, [])]
            if known := [pod.containers[name] for name in names if name in pod.containers]:
                status[field] = known
        # Others note conditions as well, `DisruptionTarget` for example.
        others = pod.manifest.get("status", {}).get("conditions", [])
        known = [*others, *status.get("conditions", [])]
        spec, phase = pod.manifest["spec"], status["phase"]
        status["conditions"] = conditions(spec, phase, known, pod.containers, pod.unschedulable)
        # With the UID, this cannot hit another pod of that name.
        body = {"metadata": {"uid": pod.uid}, "status": status}
        try:
            self._call(self._core.patch_namespaced_pod_status, pod.name, self._namespace, body)
        except ApiException as error:
            if error.status not in (404, 409):
                raise
            raise PodEndedError from error

    # ---- One pod, from its first to its last day ---------------------------------------------

    def _look_after(self, pod: Pod) -> None:
        """Runs a pod. Each pod has a thread that does this."""
        more = {}
        try:
            try:
                phase = self._run(pod)
            except RefusedError as error:
                phase = "Failed"
                more = {"reason": "Emulator", "message": f"The emulator's node: {error}"}
            self._report(pod, phase=phase, **more)
        except PodEndedError:
            logger.debug("The pod `%s` has ended early.", pod.name)
        except Exception:
            logger.exception("The node has lost the pod `%s`.", pod.name)
        pod.end(0)
        pod.process = None
        pod.finished = True
        if pod.deleted:
            self._delete(pod)

    def _run(self, pod: Pod) -> str:
        """Runs a pod's containers.

        Returns:
            The phase at the end.

        Raises:
            PodEndedError: If it ended before anything ran.
            RefusedError: If this node cannot run it.
        """
        if pod.manifest.get("status", {}).get("phase") == "Running":
            raise RefusedError("it ran on a node that no longer exists.")
        self._schedule(pod)
        spec = pod.manifest["spec"]
        refuse(spec)
        initial = [(container, True) for container in spec.get("initContainers", [])]
        both = [*initial, *((container, False) for container in spec["containers"])]
        for container, _ in both:
            reason = "PodInitializing" if initial else "ContainerCreating"
            pod.containers[container["name"]] = {
                "name": container["name"],
                "image": container["image"],
                "imageID": image_id(container["image"]),
                "restartCount": 0,
                **state("waiting", reason=reason),
                "lastState": {},
            }
        addresses = {"ip": ADDRESS}
        self._report(
            pod,
            phase="Pending",
            startTime=now(),
            hostIP=ADDRESS,
            hostIPs=[addresses],
            podIP=ADDRESS,
            podIPs=[addresses],
        )
        for container, is_initial in both:
            if self._run_until_done(pod, container, is_initial) != 0:
                return "Failed"
        return "Succeeded"

    def _schedule(self, pod: Pod) -> None:
        """Assigns the pod to this node, as a scheduler does."""
        while message := self.unschedulable(pod.manifest):
            if pod.unschedulable != message:
                pod.unschedulable = message
                self._report(pod, phase="Pending")
            self._pause(pod)
        pod.unschedulable = ""
        if "nodeName" not in pod.manifest["spec"]:
            target = {"apiVersion": "v1", "kind": "Node", "name": NAME}
            binding = {"metadata": {"name": pod.name}, "target": target}
            try:
                self._call(
                    self._core.create_namespaced_pod_binding, pod.name, self._namespace, binding
                )
            except ApiException as error:
                # 409 also answers a second try, after the first has worked.
                if error.status == 404:
                    raise PodEndedError from error
                if error.status != 409:
                    raise

    def _pause(self, pod: Pod, seconds: float = RETRY_SECONDS) -> None:
        if pod.ending.wait(seconds):
            raise PodEndedError

    def _run_until_done(self, pod: Pod, container: dict[str, Any], is_initial: bool) -> int:
        """Runs a container, again and again if the pod's restart policy says so.

        https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy

        Returns:
            The last exit code.
        """
        policy = pod.manifest["spec"].get("restartPolicy", "Always")
        status = pod.containers[container["name"]]
        pause = RETRY_SECONDS
        while True:
            code = self._run_once(pod, container, phase="Pending" if is_initial else "Running")
            for_ever = policy == "Always" and not is_initial
            again = for_ever or (code != 0 and policy != "Never")
            if not again or pod.ending.is_set():
                return code
            status["lastState"] = status["state"]
            status["restartCount"] += 1
            message = f"back-off {pause}s restarting failed container={container['name']}"
            status |= state("waiting", reason="CrashLoopBackOff", message=message)
            self._report(pod)
            self._pause(pod, pause)
            pause *= 2

    def _run_once(self, pod: Pod, container: dict[str, Any], phase: str) -> int:
        """Runs a container once, and reports its start but not its end.

        Args:
            pod: The pod.
            container: The container, of its spec.
            phase: The pod's phase while the container runs.

        Returns:
            The exit code.
        """
        status = pod.containers[container["name"]]
        status["containerID"] = f"containerd://{uuid.uuid4().hex * 2}"
        request = self._prepare(pod, container)
        if pod.ending.is_set():
            raise PodEndedError
        program, path = request["command"][0], request["environment"].get("PATH", DEFAULT_PATH)
        if Program.of(request["command"]) is None and shutil.which(program, path=path) is None:
            self._terminated(pod, container, "1970-01-01T00:00:00Z", 128, why_not(program))
            return 128
        log = self._log_folder / f"{self._namespace}_{pod.name}_{container['name']}.log"
        if log.exists():  # Of the container before it was restarted.
            log.replace(log.with_suffix(".previous.log"))
        pod.out_of_memory = False
        try:
            process = self._containers.start(request, log)
            pod.runs(process)
            self.starts.append(Start(pod.name, process.pid, time.time()))
            started = now()
            status |= state("running", startedAt=started)
            self._report(pod, phase=phase)
            code = process.wait()
        except ContainerError as error:
            if self._closing.is_set():
                raise PodEndedError from error
            raise RefusedError(str(error)) from error
        pod.process = None
        message = self._last_words(pod, container, code, log)
        self._terminated(pod, container, started, code, message)
        return code

    def _terminated(
        self, pod: Pod, container: dict[str, Any], started: str, code: int, message: str
    ) -> None:
        """Notes in the container's status how it has ended."""
        status = pod.containers[container["name"]]
        reason = "Error" if code else "Completed"
        if started.startswith("1970"):
            reason = "StartError"
        elif pod.out_of_memory:
            reason = "OOMKilled"
        more = {"message": message} if message else {}
        status |= state(
            "terminated",
            exitCode=code,
            reason=reason,
            startedAt=started,
            finishedAt=now(),
            containerID=status["containerID"],
            **more,
        )

    def _last_words(self, pod: Pod, container: dict[str, Any], code: int, log: Path) -> str:
        """Reads a container's termination message.

        https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
        """
        file = pod.folder / f"{container['name']}-termination-log"
        said = file.read_text(errors="replace")[:4096] if file.exists() else ""
        file.unlink(missing_ok=True)
        policy = container.get("terminationMessagePolicy")
        if not said and code != 0 and policy == "FallbackToLogsOnError":
            said = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-80:])[-2048:]
        return said

    # ---- What a container gets ---------------------------------------------------------------

    def _prepare(self, pod: Pod, container: dict[str, Any]) -> Request:
        """Waits until a container has all it needs, and reports what it waits for.

        Raises:
            PodEndedError: If the pod is to end first.
        """
        status = pod.containers[container["name"]]
        while True:
            try:
                self._pull(container, status)
                return self._request(pod, container)
            except WaitingError as error:
                waiting = state("waiting", reason=error.reason, message=str(error))
                if status["state"] != waiting["state"]:
                    status |= waiting
                    self._report(pod)
            self._pause(pod)

    def _pull(self, container: dict[str, Any], status: dict[str, Any]) -> None:
        """Fails for the images that cannot be pulled.

        https://kubernetes.io/docs/concepts/containers/images/#imagepullbackoff
        """
        image = container["image"]
        if image not in self.pull_fails_for:
            return
        before = status["state"].get("waiting", {}).get("reason")
        if before in ("ErrImagePull", "ImagePullBackOff"):
            raise WaitingError("ImagePullBackOff", f'Back-off pulling image "{image}"')
        message = f'failed to pull and unpack image "{image}": {image}: not found'
        raise WaitingError("ErrImagePull", message)

    def _request(self, pod: Pod, container: dict[str, Any]) -> Request:
        """Collects what a container's process gets.

        Raises:
            RefusedError: If it names no command.
            WaitingError: If something does not exist yet.
        """
        mounts = self._mounts(pod, container)
        variables = container_environment(container, pod.manifest, self._services, self._data_of)
        if not container.get("command"):
            raise RefusedError("without `command`, only the image knows what to run.")
        words = [*container["command"], *container.get("args", [])]
        directory = real_path(container.get("workingDir") or IMAGE_FOLDER, mounts)
        home = {"HOME": str(pod.folder)}
        return Request(
            command=[expand(word, variables) for word in words],
            environment=home | self._image_environment | {"HOSTNAME": pod.name} | variables,
            directory=directory,
            hostname=pod.name,
            mounts=mounts,
        )

    def _mounts(self, pod: Pod, container: dict[str, Any]) -> dict[str, str]:
        """Makes a container's folders.

        Returns:
            Where they really are, the longest names first.
        """
        image_folder = pod.folder / "app"
        image_folder.mkdir(exist_ok=True)
        message = container.get("terminationMessagePath", "/dev/termination-log")
        mounts = {
            IMAGE_FOLDER: str(image_folder),
            message: str(pod.folder / f"{container['name']}-termination-log"),
        }
        if (account := self._account_folder(pod)) is not None:
            mounts[SERVICE_ACCOUNT_FOLDER] = str(account)
        volumes = {volume["name"]: volume for volume in pod.manifest["spec"].get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            if mount["mountPath"] == SERVICE_ACCOUNT_FOLDER:
                continue
            if (on_host := volumes[mount["name"]].get("hostPath")) is not None:
                mounts[mount["mountPath"]] = on_host["path"]
            else:
                folder = pod.folder / "volumes" / mount["name"]
                folder.mkdir(parents=True, exist_ok=True)
                mounts[mount["mountPath"]] = str(folder)
        return dict(sorted(mounts.items(), key=lambda item: -len(item[0])))

    def _account_folder(self, pod: Pod) -> Path | None:
        """Gives the pod the credentials of its service account, unless it opts out.

        https://kubernetes.io/docs/concepts/security/service-accounts/

        The token is good for an hour, and not renewed.
        """
        folder = pod.folder / "serviceaccount"
        if folder.exists():
            return folder
        spec = pod.manifest["spec"]
        account = spec.get("serviceAccountName", "default")
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
        wanted = {"expirationSeconds": TOKEN_SECONDS, "boundObjectRef": bound}
        try:
            automount = spec.get("automountServiceAccountToken")
            if automount is None:
                known = self._call(
                    self._core.read_namespaced_service_account, account, self._namespace
                )
                automount = known.get("automountServiceAccountToken")
            if automount is False:
                return None
            answer = self._call(
                self._core.create_namespaced_service_account_token,
                account,
                self._namespace,
                {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": wanted},
            )
        except ApiException as error:
            raise WaitingError("ContainerCreating", f"token: {error.reason}") from error
        folder.mkdir()
        (folder / "token").write_text(answer["status"]["token"])
        (folder / "namespace").write_text(self._namespace)
        if self._configuration.ssl_ca_cert:
            shutil.copyfile(self._configuration.ssl_ca_cert, folder / "ca.crt")
        return folder

    def _data_of(self, kind: str, name: str) -> dict[str, str] | None:
        """Reads a ConfigMap or Secret; None if it does not exist."""
        if kind == "configmap":
            method = self._core.read_namespaced_config_map
        else:
            method = self._core.read_namespaced_secret
        try:
            data: dict[str, str] = self._call(method, name, self._namespace).get("data") or {}
        except ApiException as error:
            if error.status == 404:
                return None
            raise WaitingError("CreateContainerConfigError", str(error.reason)) from error
        if kind == "configmap":
            return data
        return {key: base64.b64decode(value).decode() for key, value in data.items()}


def image_id(image: str) -> str:
    """Makes up an image's digest."""
    return f"{image}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"
