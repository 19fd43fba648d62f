"""The emulator's node: it does with a pod what a kubelet does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from kit.containers import Program, WarmState
from kit.kubernetes_emulator.cluster import Cluster
from kit.kubernetes_emulator.node import Node
from kit.kubernetes_emulator.pod import expand
from kit.timeouts import scaled
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="The node forks")

# What the image would bring.
IMAGE = {"PATH": os.defpath, "FROM_IMAGE": "yes"}
OF_CONTAINERS = (
    "env",
    "envFrom",
    "image",
    "resources",
    "terminationMessagePolicy",
    "volumeMounts",
    "workingDir",
)
PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"
SLEEP = "import time; print('sleeping'); time.sleep(60)"
# Tells its ID, as the machine has it.
SLEEPER = ["sh", "-c", "read pid rest < /proc/self/stat; echo $pid; exec sleep 60"]


class Place(NamedTuple):
    """A cluster with one node, and what the tests ask of it."""

    cluster: Cluster
    node: Node
    core: client.CoreV1Api

    def create(self, *command: str, **spec: Any) -> str:
        """Creates a pod and returns its name; what is not of a pod's spec is its container's."""
        container: dict[str, Any] = {"name": "main", "image": "image:1", "command": command}
        container |= {name: spec.pop(name) for name in OF_CONTAINERS if name in spec}
        metadata = {"generateName": "pod-", "labels": {"app": "x"}, "annotations": {"a/b": "y"}}
        pod = {
            "metadata": metadata,
            "spec": {"containers": [container], "restartPolicy": "Never", **spec},
        }
        created = self.core.create_namespaced_pod("zenml", pod)
        return str(created.metadata.name)

    def pod(self, name: str) -> Any:
        """Reads a pod; None if it does not exist."""
        try:
            return self.core.read_namespaced_pod(name, "zenml")
        except ApiException as error:
            if error.status != 404:
                raise
            return None

    def wait_for_phase(self, name: str, *phases: str) -> Any:
        """Waits for a pod's phase, and returns the pod."""
        self.cluster.wait(lambda: self.pod(name).status.phase in phases)
        return self.pod(name)

    def wait_for_reason(self, name: str, reason: str) -> Any:
        """Waits until a pod's container waits for a reason, and returns the pod."""
        self.cluster.wait(lambda: reason in str(waiting(self.pod(name))))
        return self.pod(name)

    def finish(self, name: str) -> Any:
        """Waits for the end of a pod, and returns the pod."""
        return self.wait_for_phase(name, "Succeeded", "Failed")

    def log(self, name: str) -> str:
        """Reads a pod's log, before the client takes JSON in it for an answer to parse."""
        read = self.core.read_namespaced_pod_log
        answer: bytes = read(name, "zenml", container="main", _preload_content=False).data
        return answer.decode()

    def wait_for_log(self, name: str, text: str) -> None:
        """Waits until a text is in a pod's log."""
        self.cluster.wait(lambda: text in self.log(name))

    def output(self, *command: str, **spec: Any) -> str:
        """Runs a pod, which must succeed, and returns its log."""
        name = self.create(*command, **spec)
        pod = self.finish(name)
        assert pod.status.phase == "Succeeded", (pod.status, self.log(name))
        return self.log(name)


def waiting(pod: Any) -> Any:
    """Returns what a pod's container waits for."""
    statuses = pod.status.container_statuses
    return statuses[0].state.waiting if statuses else None


def terminated(pod: Any) -> Any:
    """Returns how a pod's container has ended."""
    return pod.status.container_statuses[0].state.terminated


def alive(pid: int | None) -> bool:
    """Tells whether a process is there, and not only as a zombie."""
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)  # noqa: S607
    return said.stdout.strip()[:1] not in (b"", b"Z")


@contextmanager
def running_place(folder: Path, **more: Any) -> Iterator[Place]:
    """Starts a cluster with a node."""
    with Cluster(folder / "cluster", namespace="zenml") as cluster:
        file = cluster.write_kubeconfig(folder / "kubeconfig")
        api_client = config.new_client_from_config(str(file))
        core = client.CoreV1Api(api_client)
        node = Node(
            api_client,
            namespace="zenml",
            folder=folder / "node",
            log_folder=cluster.log_folder,
            environment=IMAGE,
            **more,
        )
        with node:
            yield Place(cluster, node, core)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A cluster with a node, for all tests of this module."""
    with running_place(tmp_path_factory.mktemp("place"), preload=["kubernetes"]) as place:
        yield place


# ---- The environment -------------------------------------------------------------------------


def test_a_container_sees_the_variables_of_image_pod_and_cluster_and_no_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_TESTS", "must not leak")
    variables = [{"name": "MINE", "value": "ünï ' \" \\"}]
    name = place.create("python", "-c", PRINT_ENVIRONMENT, env=variables)
    place.finish(name)
    environment = json.loads(place.log(name))
    assert place.cluster.url.endswith(environment["KUBERNETES_SERVICE_PORT"])
    assert name in environment.pop("HOME")
    assert environment == {
        **IMAGE,
        "HOSTNAME": name,
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": environment["KUBERNETES_SERVICE_PORT"],
        "KUBERNETES_SERVICE_PORT_HTTPS": environment["KUBERNETES_SERVICE_PORT"],
        "MINE": "ünï ' \" \\",
    }


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)-$(B)", "a-$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$a"),
        ("$A $ $(", "$A $ $("),
        ("100$", "100$"),
    ],
)
def test_a_reference_is_replaced_if_it_is_known_and_not_escaped(text: str, expanded: str) -> None:
    assert expand(text, {"A": "a"}) == expanded


def test_variables_and_arguments_may_refer_to_variables_that_come_before(place: Place) -> None:
    variables = [
        {"name": "ONE", "value": "1$(TWO)"},
        {"name": "TWO", "value": "$(ONE)2"},
        {"name": "IMAGE", "value": "$(FROM_IMAGE)"},
        {"name": "HOST", "value": "$(KUBERNETES_SERVICE_HOST)"},
    ]
    code = "import os, sys; print(sys.argv[1:], os.environ['IMAGE'])"
    command = ("python", "-c", code, "$(TWO)", "$(HOST)", "$(NONE)", "$$(TWO)")
    expected = "['1$(TWO)2', '127.0.0.1', '$(NONE)', '$(TWO)'] $(FROM_IMAGE)\n"
    assert place.output(*command, env=variables) == expected


def test_variables_may_be_limits_of_the_container(place: Place) -> None:
    variables = [
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {
            "name": "MEMORY",
            "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}},
        },
    ]
    resources = {"limits": {"cpu": "1500m", "memory": "1Gi"}}
    code = "import os; print(os.environ['CPU'], os.environ['MEMORY'])"
    said = place.output("python", "-c", code, env=variables, resources=resources)
    assert said == "2 1024\n"


def test_variables_may_be_fields_of_the_pod(place: Place) -> None:
    paths = (
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "metadata.labels['app']",
        "metadata.annotations['a/b']",
        "metadata.labels['none']",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.podIP",
        "status.hostIP",
    )
    variables = [
        {"name": f"V{number}", "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for number, path in enumerate(paths)
    ]
    name = place.create("python", "-c", PRINT_ENVIRONMENT, env=variables)
    pod = place.finish(name)
    environment = json.loads(place.log(name))
    assert [environment[f"V{number}"] for number in range(len(paths))] == [
        name,
        "zenml",
        pod.metadata.uid,
        "x",
        "y",
        "",
        pod.spec.node_name,
        "default",
        "127.0.0.1",
        "127.0.0.1",
    ]


def test_variables_may_come_from_secrets_and_config_maps(place: Place) -> None:
    place.core.create_namespaced_secret(
        "zenml", {"metadata": {"name": "secret"}, "stringData": {"KEY": "ünï"}}
    )
    place.core.create_namespaced_config_map(
        "zenml", {"metadata": {"name": "map"}, "data": {"KEY": "of map", "OTHER": "too"}}
    )
    missing = {"name": "none", "key": "k", "optional": True}
    name = place.create(
        "python",
        "-c",
        PRINT_ENVIRONMENT,
        envFrom=[
            {"configMapRef": {"name": "map"}},
            {"secretRef": {"name": "secret"}, "prefix": "S_"},
            {"secretRef": {"name": "none", "optional": True}},
        ],
        env=[
            {"name": "OTHER", "value": "$(KEY)!"},
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "KEY"}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "map", "key": "KEY"}}},
            {"name": "C", "valueFrom": {"secretKeyRef": missing}},
        ],
    )
    place.finish(name)
    environment = json.loads(place.log(name))
    assert {key: environment.get(key) for key in ("KEY", "S_KEY", "OTHER", "A", "B", "C")} == {
        "KEY": "of map",
        "S_KEY": "ünï",
        "OTHER": "of map!",
        "A": "ünï",
        "B": "of map",
        "C": None,
    }


def test_a_container_waits_for_a_secret_that_is_missing(place: Place) -> None:
    source = {"secretKeyRef": {"name": "late", "key": "KEY"}}
    name = place.create("python", "-c", PRINT_ENVIRONMENT, env=[{"name": "A", "valueFrom": source}])
    pod = place.wait_for_reason(name, "CreateContainerConfigError")
    assert pod.status.phase == "Pending"
    assert waiting(pod).message == 'secret "late" not found'
    secret = {"metadata": {"name": "late"}, "stringData": {"OTHER": "x"}}
    place.core.create_namespaced_secret("zenml", secret)
    place.wait_for_reason(name, "couldn't find key KEY in Secret zenml/late")
    place.core.patch_namespaced_secret("late", "zenml", {"stringData": {"KEY": "here"}})
    assert place.finish(name).status.phase == "Succeeded"
    assert json.loads(place.log(name))["A"] == "here"


# ---- What a container finds ------------------------------------------------------------------


@pytest.mark.parametrize("variables", [{}, {"PYTHONHASHSEED": "1"}], ids=["warm", "fresh"])
def test_a_container_has_the_name_and_the_folders_of_a_container(
    place: Place, variables: dict[str, str]
) -> None:
    code = """
import json, os, socket, sys
from pathlib import Path
os.makedirs("/app", exist_ok=True)
os.chdir("/app")
Path("file").write_text("text")
with open("/app/file") as file:
    found = [file.read(), os.listdir("/app"), os.path.exists("/app/file")]
account = Path("/var/run/secrets/kubernetes.io/serviceaccount")
found += [account.joinpath("namespace").read_text(), socket.gethostname()]
print(json.dumps([*found, "kubernetes" in sys.modules]))
"""
    env = [{"name": key, "value": value} for key, value in variables.items()]
    name = place.create("python", "-c", code, env=env)
    place.finish(name)
    expected = ["text", ["file"], True, "zenml", name, not variables]
    assert json.loads(place.log(name)) == expected
    assert not Path("/app/file").exists()


@pytest.mark.parametrize("variables", [{}, {"PYTHONHASHSEED": "1"}], ids=["warm", "fresh"])
def test_a_container_reaches_the_cluster_as_its_service_account(
    place: Place, variables: dict[str, str]
) -> None:
    code = """
from kubernetes import client, config
config.load_incluster_config()
try:
    client.CoreV1Api().list_namespaced_pod("zenml")
except client.ApiException as error:
    print(error.status, error.body)
"""
    env = [{"name": key, "value": value} for key, value in variables.items()]
    said = place.output("python", "-c", code, env=env)
    assert said.startswith("403 ")
    assert "system:serviceaccount:zenml:default" in said


def test_a_container_may_share_folders_with_the_node_and_with_no_one(
    place: Place, tmp_path: Path
) -> None:
    tmp_path.joinpath("given").write_text("of the node")
    code = """
import os
open("/own/file", "w").write("own")
print(open("/data/given").read(), open("/own/file").read(), os.listdir("/own"), os.listdir("."))
"""
    said = place.output(
        "python",
        "-c",
        code,
        volumes=[
            {"name": "data", "hostPath": {"path": str(tmp_path)}},
            {"name": "own", "emptyDir": {"medium": "Memory"}},
        ],
        volumeMounts=[
            {"name": "data", "mountPath": "/data"},
            {"name": "own", "mountPath": "/own"},
        ],
        workingDir="/data",
    )
    assert said == "of the node own ['file'] ['given']\n"


def test_a_pod_may_do_without_a_token(place: Place) -> None:
    code = "import os; print(os.path.exists('/var/run/secrets/kubernetes.io/serviceaccount'))"
    assert place.output("python", "-c", code, automountServiceAccountToken=False) == "False\n"


def test_python_finds_modules_where_the_container_says(place: Place, tmp_path: Path) -> None:
    tmp_path.joinpath("of_the_image.py").write_text(
        "import sys\nif __name__ == '__main__':\n    print(sys.argv[1:], sys.path[1])\n"
    )
    env = [{"name": "PYTHONPATH", "value": str(tmp_path)}]
    said = place.output("python", "-m", "of_the_image", "--flag", "a b", env=env)
    assert said == f"['--flag', 'a b'] {tmp_path}\n"


def test_a_program_that_is_not_python_runs_as_well(place: Place) -> None:
    env = [{"name": "WHO", "value": "you"}]
    assert place.output("sh", "-c", "echo hello $WHO", env=env) == "hello you\n"


def test_a_fresh_process_runs_what_a_warm_one_would_run_differently() -> None:
    warm = WarmState({"READ": "1", "PYTHONPATH": "/a", "X": "1"}, {"READ", "UNSET"}, [])
    assert not warm.misses({"READ": "1", "PYTHONPATH": "/b", "X": "2", "PYTHONUNBUFFERED": "1"})
    assert warm.misses({"READ": "2"}) == ["READ"]
    assert warm.misses({}) == ["READ"]
    assert warm.misses({"READ": "1", "UNSET": ""}) == ["UNSET"]
    assert warm.misses({"READ": "1", "PYTHONOPTIMIZE": "1"}) == ["PYTHONOPTIMIZE"]
    assert Program.of(["python", "-u", "-m", "x", "-m"]) == ("-m", "x", ["-m"])
    assert Program.of([sys.executable, "file.py", "a"]) == ("", "file.py", ["a"])
    assert Program.of(["python", "-X", "dev", "-m", "x"]) is None


# ---- How it ends -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [
        ("pass", 0, ""),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('bye')", 1, "bye"),
        ("raise SystemExit(256 + 7)", 7, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("print('unfinished', end='')", 0, "unfinished"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("import atexit; atexit.register(print, 'at exit')", 0, "at exit"),
        ("import threading; threading.Timer(0.1, print, ['thread']).start()", 0, "thread"),
    ],
)
def test_a_program_ends_as_python_would(place: Place, code: str, exit_code: int, said: str) -> None:
    name = place.create("python", "-c", code)
    pod = place.finish(name)
    assert pod.status.phase == ("Failed" if exit_code else "Succeeded")
    assert terminated(pod).exit_code == exit_code
    assert terminated(pod).reason == ("Error" if exit_code else "Completed")
    assert terminated(pod).finished_at >= terminated(pod).started_at
    assert said in place.log(name)
    conditions = {one.type: (one.status, one.reason) for one in pod.status.conditions}
    assert conditions["PodScheduled"] == ("True", None)
    assert conditions["Ready"] == ("False", "PodFailed" if exit_code else "PodCompleted")


def test_a_pod_that_runs_says_so(place: Place) -> None:
    name = place.create("python", "-c", SLEEP)
    pod = place.wait_for_phase(name, "Running")
    (status,) = pod.status.container_statuses
    assert status.ready
    assert status.state.running.started_at
    assert {one.type for one in pod.status.conditions if one.status == "True"} >= {
        "PodScheduled",
        "Initialized",
        "ContainersReady",
        "Ready",
    }
    (start,) = (start for start in place.node.starts if start.pod == name)
    assert start.pid == place.node.pid(name)
    place.node.kill(name)
    assert terminated(place.finish(name)).exit_code == 137
    assert place.node.pid(name) is None
    with pytest.raises(LookupError):
        place.node.kill(name)


def test_a_container_killed_for_its_memory_is_reported_as_such(place: Place) -> None:
    name = place.create("python", "-c", SLEEP)
    place.wait_for_phase(name, "Running")
    place.node.oom_kill(name)
    state = terminated(place.finish(name))
    assert (state.exit_code, state.reason) == (137, "OOMKilled")


def test_what_a_container_leaves_behind_is_killed_with_it(place: Place) -> None:
    code = f"""
import subprocess
sleeper = subprocess.Popen({SLEEPER}, stdout=subprocess.PIPE)
print(int(sleeper.stdout.readline()))
"""
    pid = int(place.output("python", "-c", code))
    assert not alive(pid)


def test_the_log_holds_what_was_written_while_the_container_still_runs(place: Place) -> None:
    code = "import sys, time; print('out'); print('err', file=sys.stderr); time.sleep(60)"
    name = place.create("python", "-c", code)
    place.wait_for_phase(name, "Running")
    place.wait_for_log(name, "out\nerr\n")
    place.node.kill(name)


def test_a_container_may_leave_a_message(place: Place) -> None:
    code = "open('/dev/termination-log', 'w').write('why'); raise SystemExit(1)"
    assert terminated(place.finish(place.create("python", "-c", code))).message == "why"


def test_a_container_that_fails_may_leave_its_log_for_a_message(place: Place) -> None:
    policy = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    name = place.create("python", "-c", "print('why'); raise SystemExit(1)", **policy)
    assert terminated(place.finish(name)).message == "why\n"
    name = place.create("python", "-c", "print('fine')", **policy)
    assert terminated(place.finish(name)).message is None


def test_a_program_that_does_not_exist_fails_at_its_start(place: Place) -> None:
    state = terminated(place.finish(place.create("no-such-program")))
    assert (state.exit_code, state.reason) == (128, "StartError")
    assert 'exec: "no-such-program": executable file not found in $PATH' in state.message


def test_a_container_that_fails_starts_again_in_its_pod_if_the_pod_says_so(place: Place) -> None:
    code = """
from pathlib import Path
Path("/app/tries").open("a").write("x")
print(Path("/app/tries").read_text())
raise SystemExit(Path("/app/tries").read_text() != "xx")
"""
    name = place.create("python", "-c", code, restartPolicy="OnFailure")
    pod = place.finish(name)
    assert pod.status.phase == "Succeeded"
    (status,) = pod.status.container_statuses
    assert status.restart_count == 1
    assert status.last_state.terminated.exit_code == 1
    assert place.log(name) == "xx\n"
    assert len({start.pid for start in place.node.starts if start.pod == name}) == 2


# ---- Before it starts ------------------------------------------------------------------------


def test_a_pod_waits_for_an_image_that_cannot_be_pulled(place: Place) -> None:
    place.node.pull_fails_for.add("private:1")
    name = place.create("python", "-c", "pass", image="private:1")
    assert place.wait_for_reason(name, "ErrImagePull").status.phase == "Pending"
    pod = place.wait_for_reason(name, "ImagePullBackOff")
    assert pod.status.phase == "Pending"
    assert waiting(pod).message == 'Back-off pulling image "private:1"'
    place.node.pull_fails_for.clear()
    assert place.finish(name).status.phase == "Succeeded"


def test_a_pod_waits_for_a_node_that_has_room(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    monkeypatch.setattr(place.node, "unschedulable", lambda _: why)
    name = place.create("python", "-c", "pass")
    place.cluster.wait(lambda: bool(place.pod(name).status.conditions))
    pod = place.pod(name)
    (condition,) = pod.status.conditions
    assert (condition.type, condition.status) == ("PodScheduled", "False")
    assert (condition.reason, condition.message) == ("Unschedulable", why)
    assert (pod.status.phase, pod.spec.node_name) == ("Pending", None)
    monkeypatch.undo()
    assert place.finish(name).status.phase == "Succeeded"


def test_initial_containers_run_one_after_the_other_before_the_pod_does(place: Place) -> None:
    initial = [
        {
            "name": name,
            "image": "image:1",
            "command": ["sh", "-c", f"echo {name} >> ../order"],
        }
        for name in ("first", "second")
    ]
    said = place.output("python", "-c", "print(open('../order').read())", initContainers=initial)
    assert said.split() == ["first", "second"]


def test_what_the_node_cannot_give_makes_a_pod_fail(place: Place) -> None:
    containers = [{"name": name, "image": "image:1", "command": ["true"]} for name in "ab"]
    pod = place.finish(place.create(containers=containers))
    assert pod.status.phase == "Failed"
    assert "not several" in pod.status.message


# ---- How it is ended -------------------------------------------------------------------------


def test_a_pod_that_is_deleted_may_put_its_affairs_in_order(place: Place, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f"""
import signal, sys, time
def end(*_):
    open({str(mark)!r}, "w").write("handled")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready")
time.sleep(60)
"""
    name = place.create("python", "-c", code)
    place.wait_for_phase(name, "Running")
    place.wait_for_log(name, "ready")
    before = time.monotonic()
    place.core.delete_namespaced_pod(name, "zenml")
    place.cluster.wait(lambda: place.pod(name) is None)
    assert time.monotonic() - before < scaled(5)
    assert mark.read_text() == "handled"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Only Linux tells of handlers")
def test_a_first_process_without_a_handler_is_killed_when_its_grace_ends(place: Place) -> None:
    name = place.create("python", "-c", SLEEP, terminationGracePeriodSeconds=1)
    place.wait_for_phase(name, "Running")
    pid = place.node.pid(name)
    before = time.monotonic()
    place.core.delete_namespaced_pod(name, "zenml")
    place.cluster.wait(lambda: place.pod(name) is None)
    assert 1 <= time.monotonic() - before < scaled(5)
    assert not alive(pid)


def test_a_pod_that_still_waits_is_deleted_at_once(place: Place) -> None:
    place.node.pull_fails_for.add("never:1")
    name = place.create("python", "-c", "pass", image="never:1")
    place.wait_for_reason(name, "ErrImagePull")
    place.core.delete_namespaced_pod(name, "zenml")
    place.cluster.wait(lambda: place.pod(name) is None, 5)


def test_an_evicted_pod_is_killed_and_stays_evicted(place: Place) -> None:
    name = place.create("python", "-c", SLEEP)
    place.wait_for_phase(name, "Running")
    pid = place.node.pid(name)
    place.cluster.evict(name)
    place.cluster.wait(lambda: place.node.pid(name) is None)
    assert not alive(pid)
    place.cluster.wait(lambda: terminated(place.pod(name)) is not None)
    pod = place.pod(name)
    assert (pod.status.phase, pod.status.reason) == ("Failed", "Evicted")
    assert "DisruptionTarget" in {condition.type for condition in pod.status.conditions}


# ---- The node itself -------------------------------------------------------------------------


def test_the_node_finds_its_pods_again_when_a_watch_breaks_off(place: Place) -> None:
    place.cluster.faults.expire_watches()
    assert place.output("python", "-c", "print(1)") == "1\n"
    place.cluster.faults.drop_watches()
    assert place.output("python", "-c", "print(2)") == "2\n"


def test_pods_run_side_by_side(place: Place) -> None:
    names = [place.create("python", "-c", SLEEP) for _ in range(4)]
    for name in names:
        place.wait_for_phase(name, "Running")
    assert len({place.node.pid(name) for name in names}) == 4
    for name in names:
        place.node.kill(name)
    assert {terminated(place.finish(name)).exit_code for name in names} == {137}


def test_nothing_runs_any_more_when_the_node_has_closed(tmp_path: Path) -> None:
    with running_place(tmp_path) as place:
        code = f"import subprocess; subprocess.run({SLEEPER})"
        name = place.create("python", "-c", code)
        place.wait_for_phase(name, "Running")
        place.wait_for_log(name, "\n")
        pids = [place.node.pid(name), int(place.log(name))]
        assert all(map(alive, pids))
    assert not any(map(alive, pids))


def test_a_preload_that_fails_is_told_in_the_pod(tmp_path: Path) -> None:
    with running_place(tmp_path, preload=["no_such_module"]) as place:
        pod = place.finish(place.create("python", "-c", "pass"))
        assert pod.status.phase == "Failed"
        assert "No module named 'no_such_module'" in pod.status.message
