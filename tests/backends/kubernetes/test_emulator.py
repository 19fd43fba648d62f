"""The emulator's API server: what the real one does, asked through the official client."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import urllib3
from kit.kubernetes_emulator.cluster import Cluster
from kit.kubernetes_emulator.formats import schedule_problem
from kit.kubernetes_emulator.schema import canonical_quantity, canonical_time
from kit.timeouts import scaled
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.config import incluster_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HERE = "zenml"
ACCOUNT = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
  - {apiGroups: [""], resources: [pods], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
  - {kind: ServiceAccount, name: reader, namespace: zenml}
"""


def at(path: str, value: Any) -> dict[str, Any]:
    """JSON with one value at a path, like `spec.suspend`."""
    key, _, rest = path.partition(".")
    return {key: at(rest, value) if rest else value}


class Place(NamedTuple):
    """A cluster, and the official client on it."""

    cluster: Cluster
    core: client.CoreV1Api
    batch: client.BatchV1Api

    def create_job(self, *, backoff_limit: int = 0, **spec: Any) -> str:
        """Creates a Job with one container and returns its name."""
        body = job(backoffLimit=backoff_limit, **spec)
        answer = self.batch.create_namespaced_job(HERE, body, _preload_content=False)
        return str(json.loads(answer.data)["metadata"]["name"])

    def job_names(self) -> list[str]:
        """The names of all Jobs.

        They are read as JSON, since clients before 28 cannot take in each failure policy.
        """
        jobs = json.loads(self.batch.list_namespaced_job(HERE, _preload_content=False).data)
        return [item["metadata"]["name"] for item in jobs["items"]]

    def pods(self, of_job: str) -> list[Any]:
        """The pods of a Job, the newest last."""
        pods = self.core.list_namespaced_pod(HERE, label_selector=f"job-name={of_job}").items
        return sorted(pods, key=lambda pod: int(pod.metadata.resource_version))

    def wait_for_pod(self, of_job: str) -> str:
        """Waits for a pod that has not ended."""
        self.cluster.wait(lambda: any(p.status.phase == "Pending" for p in self.pods(of_job)))
        pending = (pod for pod in self.pods(of_job) if pod.status.phase == "Pending")
        return str(next(pending).metadata.name)

    def start(self, pod: str) -> None:
        """Does as a node that has started a pod."""
        target = client.V1Binding(target=client.V1ObjectReference(kind="Node", name="a-node"))
        self.core.create_namespaced_pod_binding(pod, HERE, target, _preload_content=False)
        state = at("running.startedAt", "2030-01-01T00:00:00Z")
        status = {"phase": "Running", "containerStatuses": [{"name": "main", "state": state}]}
        self.core.patch_namespaced_pod_status(pod, HERE, {"status": status})

    def end(self, pod: str, exit_code: int = 0) -> None:
        """Does as a node whose container has ended."""
        state = {"terminated": {"exitCode": exit_code}, "running": None}
        phase = "Failed" if exit_code else "Succeeded"
        status = {"phase": phase, "containerStatuses": [{"name": "main", "state": state}]}
        self.core.patch_namespaced_pod_status(pod, HERE, {"status": status})

    def wait_for_condition(self, of_job: str, kind: str) -> Any:
        """Waits for a true condition of a Job, and returns it."""
        self.cluster.wait(lambda: kind in self.conditions(of_job), 5)
        return self.conditions(of_job)[kind]

    def conditions(self, of_job: str) -> dict[str, Any]:
        """The true conditions of a Job."""
        found = self.status(of_job).get("conditions", [])
        return {c["type"]: c for c in found if c["status"] == "True"}

    def status(self, of_job: str) -> dict[str, Any]:
        """The status of a Job."""
        answer = self.batch.read_namespaced_job(of_job, HERE, _preload_content=False)
        return dict(json.loads(answer.data)["status"])

    def create_pod(self, **meta: Any) -> str:
        """Creates a pod and returns its name."""
        meta = {"generateName": "pod-", **meta}
        spec = {"containers": [{"name": "main", "image": "image:1"}]}
        body = {"metadata": meta, "spec": spec}
        return str(self.core.create_namespaced_pod(HERE, body).metadata.name)

    def pod_names(self, **selection: str) -> list[str]:
        """The names of selected pods."""
        return [p.metadata.name for p in self.core.list_namespaced_pod(HERE, **selection).items]


def connect(cluster: Cluster, path: Path, token: str | None = None) -> Place:
    api_client = config.new_client_from_config(str(cluster.write_kubeconfig(path, token=token)))
    return Place(cluster, client.CoreV1Api(api_client), client.BatchV1Api(api_client))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("cluster")
    with Cluster(folder, pod_backoff_seconds=0.01) as cluster:
        yield connect(cluster, folder / "kubeconfig")


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[Place]:
    """A cluster of its own, and a client that does not try again by itself."""
    with Cluster(tmp_path) as cluster:
        place = connect(cluster, tmp_path / "kubeconfig")
        place.core.api_client.rest_client.pool_manager.connection_pool_kw["retries"] = 0
        yield place


def job(*, container: Any = (), pod: Any = (), meta: Any = (), **spec: Any) -> dict[str, Any]:
    """A Job, with changes to its container, its pod, its metadata and its spec."""
    containers = [{"name": "main", "image": "image:1", **dict(container)}]
    pod_spec = {"restartPolicy": "Never", "containers": containers, **dict(pod)}
    metadata = {"generateName": "job-", **dict(meta)}
    spec["template"] = {"spec": pod_spec}
    return {"metadata": metadata, "spec": spec}


def cron_job(**spec: Any) -> dict[str, Any]:
    name = f"nightly-{time.monotonic_ns()}"
    template = at("metadata.labels", {"run": "x"}) | {"spec": job()["spec"]}
    spec = {"schedule": "0 3 * * *", "jobTemplate": template, **spec}
    return {"metadata": {"name": name}, "spec": spec}


def refusal(call: Callable[[], Any], code: int) -> dict[str, Any]:
    """The Status that a call is refused with."""
    with pytest.raises(ApiException) as caught:
        call()
    assert caught.value.status == code, caught.value
    return dict(json.loads(caught.value.body))


# -- Reading and writing ---------------------------------------------------------------------------


def test_a_name_is_generated_and_not_given_twice(place: Place) -> None:
    name = place.create_pod(generateName="made-")
    assert name.startswith("made-")
    assert len(name) == len("made-") + 5
    status = refusal(lambda: place.create_pod(name=name), 409)
    assert status["reason"] == "AlreadyExists"
    assert status["message"] == f'pods "{name}" already exists'


def test_a_stale_update_is_a_conflict(place: Place) -> None:
    pod = place.core.read_namespaced_pod(place.create_pod(), HERE)
    pod.metadata.labels = {"color": "red"}
    place.core.replace_namespaced_pod(pod.metadata.name, HERE, pod)
    status = refusal(lambda: place.core.replace_namespaced_pod(pod.metadata.name, HERE, pod), 409)
    assert status["reason"] == "Conflict"
    assert "the object has been modified" in status["message"]


def test_patches_of_three_kinds_change_what_they_name(place: Place) -> None:
    name = place.create_job(container={"env": [{"name": "A", "value": "1"}]}, suspend=True)
    meta = at("labels", {"a": "1", "b/c": "2"}) | at("annotations.old", "1")
    patch = {"metadata": meta}
    place.batch.patch_namespaced_job(name, HERE, patch)  # the client sends a strategic merge
    operations = [
        {"op": "test", "path": "/metadata/labels/b~1c", "value": "2"},
        {"op": "remove", "path": "/metadata/annotations/old"},
        {"op": "replace", "path": "/metadata/labels/a", "value": "3"},
    ]
    patched = place.batch.patch_namespaced_job(name, HERE, operations)
    assert patched.metadata.labels["a"] == "3"
    assert not patched.metadata.annotations
    assert patched.spec.template.spec.containers[0].env[0].value == "1"
    wrong = [{"op": "test", "path": "/metadata/labels/a", "value": "4"}]
    refusal(lambda: place.batch.patch_namespaced_job(name, HERE, wrong), 422)


def test_a_strategic_merge_knows_conditions_by_their_type(place: Place) -> None:
    name = place.create_pod()
    for kind, value in (("Ready", "False"), ("Other", "True"), ("Ready", "True")):
        status = {"conditions": [{"type": kind, "status": value}]}
        pod = place.core.patch_namespaced_pod_status(name, HERE, {"status": status})
    found = {c.type: c.status for c in pod.status.conditions}
    assert found == {"Ready": "True", "Other": "True"}


def test_a_dry_run_stores_nothing(place: Place) -> None:
    created = place.batch.create_namespaced_job(HERE, job(meta={"name": "dry"}), dry_run="All")
    assert created.spec.backoff_limit == 6
    refusal(lambda: place.batch.read_namespaced_job("dry", HERE), 404)


def test_labels_and_fields_select(place: Place) -> None:
    one = place.create_pod(labels={"select": "one", "x": "1"})
    two = place.create_pod(labels={"select": "two"})
    assert place.pod_names(label_selector="select=one,x==1") == [one]
    assert place.pod_names(label_selector="select in (one, two),x!=1") == [two]
    assert place.pod_names(label_selector="select,!x") == [two]
    assert place.pod_names(label_selector="select,select notin (two)") == [one]
    assert place.pod_names(field_selector=f"metadata.name={one},status.phase=Pending") == [one]
    status = refusal(lambda: place.pod_names(field_selector="spec.image=x"), 400)
    assert status["message"] == "field label not supported: spec.image"


def test_a_long_list_comes_in_pages(place: Place) -> None:
    names = sorted(place.create_pod(labels={"paged": ""}) for _ in range(5))
    found, more, pages = [], None, 0
    while more != "":
        page = place.core.list_namespaced_pod(HERE, label_selector="paged", limit=2, _continue=more)
        found += [pod.metadata.name for pod in page.items]
        more, pages = page.metadata.to_dict()["_continue"] or "", pages + 1
    assert (found, pages) == (names, 3)


def test_what_does_not_exist_is_not_found(place: Place) -> None:
    status = refusal(lambda: place.batch.read_namespaced_job("none", HERE), 404)
    assert status["message"] == 'jobs.batch "none" not found'
    status = refusal(lambda: place.batch.create_namespaced_job("elsewhere", job()), 404)
    assert status["message"] == 'namespaces "elsewhere" not found'


def test_a_secret_is_written_as_text_and_read_as_base64(place: Place) -> None:
    body = {"metadata": {"name": "text"}, "stringData": {"TOKEN": "väl"}, "immutable": True}
    place.core.create_namespaced_secret(HERE, body)
    secret = place.core.read_namespaced_secret("text", HERE)
    assert base64.b64decode(secret.data["TOKEN"]).decode() == "väl"
    assert secret.type == "Opaque"
    patch = at("stringData.TOKEN", "b")
    status = refusal(lambda: place.core.patch_namespaced_secret("text", HERE, patch), 422)
    assert "field is immutable when `immutable` is set" in status["message"]


def test_the_spec_and_the_status_are_written_apart(place: Place) -> None:
    name = place.create_pod()
    place.core.patch_namespaced_pod(name, HERE, at("status.phase", "Running"))
    labels = at("metadata.labels", {"a": "b"}) | at("status.phase", "Failed")
    pod = place.core.patch_namespaced_pod_status(name, HERE, labels)
    assert pod.status.phase == "Failed"
    assert not pod.metadata.labels


def test_defaults_are_filled_in(place: Place) -> None:
    limits = {"cpu": "0.5", "memory": "1024Mi"}
    name = place.create_job(container=at("resources.limits", limits))
    made = place.batch.read_namespaced_job(name, HERE)
    pod = made.spec.template.spec
    assert (made.spec.parallelism, made.spec.completions) == (1, 1)
    assert made.spec.template.metadata.labels["batch.kubernetes.io/job-name"] == name
    assert made.metadata.labels["controller-uid"] == made.metadata.uid
    assert (pod.dns_policy, pod.termination_grace_period_seconds) == ("ClusterFirst", 30)
    assert pod.containers[0].image_pull_policy == "IfNotPresent"
    assert pod.containers[0].resources.requests == {"cpu": "500m", "memory": "1Gi"}


# -- What is refused -------------------------------------------------------------------------------


def post(place: Place, body: dict[str, Any], query: str = "") -> tuple[int, str, str]:
    """Creates a Job without the client, which checks some things itself.

    Returns:
        The HTTP status, the message if it is refused, and the server's warning.
    """
    url = f"{place.cluster.url}/apis/batch/v1/namespaces/{HERE}/jobs{query}"
    headers = {"Authorization": f"Bearer {place.cluster.admin_token}"}
    with urllib3.PoolManager(ca_certs=str(place.cluster.ca_file)) as http:
        answer = http.request("POST", url, body=json.dumps(body), headers=headers)
    message = json.loads(answer.data).get("message", "")
    return answer.status, message, answer.headers.get("Warning", "")


def test_an_unknown_field_is_dropped_with_a_warning_or_refused(place: Place) -> None:
    body = job(pod={"containerz": 1})
    warning = '299 - "unknown field \\"spec.template.spec.containerz\\""'
    assert post(place, body) == (201, "", warning)
    code, message, _ = post(place, body, "?fieldValidation=Strict")
    assert code == 400
    assert 'strict decoding error: unknown field "spec.template.spec.containerz"' in message


ONE_GPU = at("requests", {"nvidia.com/gpu": "1"})
TOO_MUCH = at("requests.cpu", "2") | at("limits.cpu", "1")
BOTH = at("valueFrom.fieldRef.fieldPath", "metadata.uid") | {"name": "A", "value": "1"}
NO_FIELD = at("valueFrom.fieldRef.fieldPath", "status.startTime") | {"name": "A"}
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b", "controller": True}
CODES = {"operator": "In", "values": [0]}
RULE = {"action": "Ignore", "onExitCodes": CODES}


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (job(meta={"name": "A_b"}), 422, "lowercase RFC 1123 subdomain"),
        (job(meta={"name": "a" * 64}), 422, "spec.template.metadata.labels: Invalid value"),
        (job(meta=at("labels.a", "b c")), 422, "a valid label must be"),
        (job(meta=at("labels.a", "b" * 64)), 422, "must be no more than 63"),
        (job(meta=at("labels.-a", "")), 422, "name part must consist of"),
        (job(meta=at("annotations.a", "x" * 2**18)), 422, "Too long"),
        (job(meta={"namespace": "default"}), 400, "does not match the namespace"),
        (job(meta={"ownerReferences": [OWNER, OWNER]}), 422, "Only one reference"),
        (job(backoffLimit="3"), 400, "cannot unmarshal string into Go struct field"),
        (job(backoffLimit=2**31), 400, "cannot unmarshal number 2147483648"),
        (job(backoffLimit=-1), 422, "must be greater than or equal to 0"),
        (job(pod={"restartPolicy": "Always"}), 422, 'supported values: "Never", "OnFailure"'),
        (job(pod={"containers": []}), 422, "spec.template.spec.containers: Required value"),
        (job(pod={"containers": None}), 422, "spec.template.spec.containers: Required value"),
        (job(pod={"serviceAccountName": "A"}), 422, "serviceAccountName: Invalid value"),
        (job(container={"name": "my_main"}), 422, "lowercase RFC 1123 label"),
        (job(container={"image": None}), 422, "containers[0].image: Required value"),
        (job(container={"imagePullPolicy": "Often"}), 422, "Unsupported value"),
        (job(container={"env": [{"name": "1A", "value": ""}]}), 422, "environment variable"),
        (job(container={"env": [{"name": "A", "value": 1}]}), 400, "cannot unmarshal number"),
        (job(container={"env": [BOTH]}), 422, "may not be specified when `value`"),
        (job(container={"env": [NO_FIELD]}), 422, "field label not supported"),
        (job(container={"volumeMounts": [{"name": "v", "mountPath": "/"}]}), 422, "Not found"),
        (job(container={"resources": ONE_GPU}), 422, "Limit must be set"),
        (job(container={"resources": TOO_MUCH}), 422, "less than or equal to cpu limit of 1"),
        (job(container=at("resources.limits.gpu", 1)), 422, "a standard resource"),
        (job(container=at("resources.limits.cpu", "-1")), 422, "equal to 0"),
        (job(selector=at("matchLabels.a", "b")), 422, "`selector` not auto-generated"),
        (job(pod={"tolerations": [{"key": "a", "tolerationSeconds": 1}]}), 422, "NoExecute"),
        (job(podFailurePolicy={"rules": [RULE]}), 422, "must not be 0 for the In operator"),
        ({"kind": "Pod"}, 400, "cannot be handled as a Job"),
        ({}, 422, "name or generateName is required"),
    ],
)
def test_a_job_that_kubernetes_would_refuse_is_refused(
    place: Place, body: dict[str, Any], code: int, words: str
) -> None:
    refused, message, _ = post(place, body)
    assert refused == code
    assert words in message


@pytest.mark.parametrize("amount", ["4GB", "4 Gi", "4gi", "", "four", "4KiB", True])
def test_a_quantity_that_kubernetes_does_not_know_is_refused(place: Place, amount: Any) -> None:
    body = job(container=at("resources.limits.memory", amount))
    code, message, _ = post(place, body)
    assert code == 400
    assert "quantit" in message


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("1000m", "1"), ("1.5Gi", "1536Mi"), ("0.1", "100m"), ("1e3", "1k"), (2, "2"), ("0", "0")],
)
def test_a_quantity_comes_back_in_its_canonical_form(text: Any, canonical: str) -> None:
    assert canonical_quantity(text) == canonical


def test_a_time_needs_a_time_zone() -> None:
    assert canonical_time("2030-01-01T01:00:00.5+01:00") == "2030-01-01T00:00:00Z"
    with pytest.raises(ValueError, match="parsing time"):
        canonical_time("2030-01-01T01:00:00")


def test_a_pod_keeps_its_spec_but_for_a_few_fields(place: Place) -> None:
    name = place.create_pod()
    patch = place.core.patch_namespaced_pod
    assert patch(name, HERE, at("spec.activeDeadlineSeconds", 9)).spec.active_deadline_seconds == 9
    status = refusal(lambda: patch(name, HERE, at("spec.hostname", "x")), 422)
    assert "pod updates may not change fields other than" in status["message"]


def test_a_job_keeps_its_template(place: Place) -> None:
    name = place.create_job()
    patch = at("spec.template.spec.priorityClassName", "high")
    status = refusal(lambda: place.batch.patch_namespaced_job(name, HERE, patch), 422)
    assert status["message"].endswith("field is immutable")


def test_a_suspended_job_may_still_be_scheduled_elsewhere(place: Place) -> None:
    name = place.create_job(suspend=True)
    patch = at("spec.template.spec.nodeSelector.disk", "ssd")
    patched = place.batch.patch_namespaced_job(name, HERE, patch)
    assert patched.spec.template.spec.node_selector == {"disk": "ssd"}


def test_a_cron_jobs_name_is_short(place: Place) -> None:
    body = cron_job()
    body["metadata"]["name"] = "a" * 53
    status = refusal(lambda: place.batch.create_namespaced_cron_job(HERE, body), 422)
    assert "must be no more than 52 characters" in status["message"]


@pytest.mark.parametrize(
    "spec",
    [
        {"schedule": "0 3 * *"},
        {"schedule": "TZ=UTC 0 3 * * *"},
        {"timeZone": "Mars/Olympus"},
        {"concurrencyPolicy": "Sometimes"},
    ],
)
def test_a_cron_job_that_kubernetes_would_refuse_is_refused(
    place: Place, spec: dict[str, str]
) -> None:
    status = refusal(lambda: place.batch.create_namespaced_cron_job(HERE, cron_job(**spec)), 422)
    assert [cause["field"] for cause in status["details"]["causes"]] == [f"spec.{next(iter(spec))}"]


def test_schedules_are_read_as_the_controller_reads_them() -> None:
    right = ["* * * * *", "*/5 0-6,8 ? jan-MAR mon", "@daily", "@every 1h30m"]
    wrong = ["60 * * * *", "* * * * 7", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "@reboot", ""]
    assert [text for text in right if schedule_problem(text)] == []
    assert [text for text in wrong if not schedule_problem(text)] == []


@pytest.mark.parametrize("data", [{"a b": ""}, {"..": ""}, {"a": "A" * (2**20 // 3 * 4 + 8)}])
def test_a_secret_has_small_data_with_simple_keys(place: Place, data: dict[str, str]) -> None:
    body: dict[str, Any] = {"metadata": {"generateName": "data-"}, "data": data}
    refusal(lambda: place.core.create_namespaced_secret(HERE, body), 422)


# -- Who may ---------------------------------------------------------------------------------------


def test_an_unknown_token_is_unauthorized(place: Place, tmp_path: Path) -> None:
    stranger = connect(place.cluster, tmp_path / "kubeconfig", "unknown")
    assert refusal(stranger.pod_names, 401)["reason"] == "Unauthorized"
    assert any((c.account, c.status) == ("", 401) for c in place.cluster.calls)


def test_an_account_may_do_what_its_role_says_and_nothing_else(
    place: Place, tmp_path: Path
) -> None:
    place.cluster.authorize(ACCOUNT)
    reader = connect(place.cluster, tmp_path / "kubeconfig", place.cluster.token_for("reader"))
    name = place.create_pod()
    assert name in reader.pod_names()
    user = 'User "system:serviceaccount:zenml:reader"'
    status = refusal(lambda: reader.core.read_namespaced_pod_log(name, HERE), 403)
    assert status["message"] == (
        f'pods "{name}" is forbidden: {user} cannot get resource "pods/log" in API group ""'
        ' in the namespace "zenml"'
    )
    status = refusal(lambda: reader.batch.list_namespaced_job(HERE), 403)
    assert status["message"] == (
        f'jobs.batch is forbidden: {user} cannot list resource "jobs" in API group "batch"'
        ' in the namespace "zenml"'
    )
    status = refusal(reader.core.list_pod_for_all_namespaces, 403)
    assert status["message"].endswith("at the cluster scope")
    call = next(c for c in reversed(place.cluster.calls) if c.resource == "jobs")
    assert (call.account, call.verb, call.group, call.status) == ("reader", "list", "batch", 403)


def test_the_role_edit_is_known_by_its_name(place: Place, tmp_path: Path) -> None:
    place.cluster.authorize(
        ACCOUNT.replace("reader", "editor")
        .replace("kind: Role,", "kind: ClusterRole,")
        .replace("name: editor}\nsubjects", "name: edit}\nsubjects")
    )
    editor = connect(place.cluster, tmp_path / "kubeconfig", place.cluster.token_for("editor"))
    editor.create_job(suspend=True)
    roles = client.RbacAuthorizationV1Api(editor.core.api_client)
    refusal(lambda: roles.list_namespaced_role(HERE), 403)


def test_a_token_goes_with_its_account(place: Place, tmp_path: Path) -> None:
    place.cluster.authorize(ACCOUNT.replace("reader", "brief"))
    body = at("spec.audiences", [])
    made = place.core.create_namespaced_service_account_token("brief", HERE, body)
    brief = connect(place.cluster, tmp_path / "kubeconfig", made.status.token)
    brief.pod_names()
    place.core.delete_namespaced_service_account("brief", HERE)
    refusal(brief.pod_names, 401)


def test_an_account_can_ask_what_it_may_do(place: Place, tmp_path: Path) -> None:
    place.cluster.authorize(ACCOUNT)
    reader = connect(place.cluster, tmp_path / "kubeconfig", place.cluster.token_for("reader"))
    api = client.AuthorizationV1Api(reader.core.api_client)
    answers = []
    for verb in ("list", "delete"):
        asked = {"namespace": HERE, "verb": verb, "resource": "pods"}
        review = api.create_self_subject_access_review(at("spec.resourceAttributes", asked))
        answers.append(review.status.allowed)
    assert answers == [True, False]


def test_the_configuration_of_a_pod_works(place: Place, tmp_path: Path) -> None:
    place.cluster.authorize(ACCOUNT)
    token, configuration = tmp_path / "token", client.Configuration()
    token.write_text(place.cluster.token_for("reader"))
    host, port = place.cluster.url.removeprefix("https://").split(":")
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    loader = incluster_config.InClusterConfigLoader(
        token_filename=str(token),
        cert_filename=str(place.cluster.ca_file),
        environ=environment,
    )
    loader.load_and_set(configuration)
    core = client.CoreV1Api(client.ApiClient(configuration))
    assert core.list_namespaced_pod(HERE).metadata.resource_version


# -- Watches ---------------------------------------------------------------------------------------


class Watcher(threading.Thread):
    """Watches pods from its start to the end of the watch."""

    def __init__(self, place: Place, **arguments: Any) -> None:
        """Begins to watch."""
        super().__init__(daemon=True)
        self.place, self.arguments = place, {"timeout_seconds": 5, **arguments}
        self.events: list[tuple[str, str]] = []
        self.error: ApiException | None = None
        before = self._watches()
        self.start()
        place.cluster.wait(lambda: self._watches() > before)

    def _watches(self) -> int:
        return sum(call.verb == "watch" for call in self.place.cluster.calls)

    def run(self) -> None:
        """Collects events, bookmarks without a name."""
        method = self.place.core.list_namespaced_pod
        try:
            for event in watch.Watch().stream(method, HERE, **self.arguments):
                name = event["raw_object"]["metadata"].get("name", "")
                self.events.append((event["type"], name))
        except ApiException as error:
            self.error = error


def test_a_watch_tells_what_there_is_and_what_happens(place: Place) -> None:
    one = place.create_pod(labels={"seen": "yes"})
    watcher = Watcher(place, label_selector="seen=yes")
    two = place.create_pod(labels={"seen": "yes"})
    place.start(two)
    for seen in ("no", "never", "yes"):
        place.core.patch_namespaced_pod(two, HERE, at("metadata.labels.seen", seen))
    place.core.delete_namespaced_pod(one, HERE)
    expected = [("ADDED", one), ("ADDED", two), ("MODIFIED", two), ("MODIFIED", two)]
    # What leaves the selection is gone for the watch, and new when it is back.
    expected += [("DELETED", two), ("ADDED", two), ("DELETED", one)]
    place.cluster.wait(lambda: len(watcher.events) == len(expected), 5)
    assert watcher.events == expected
    place.cluster.faults.drop_watches()
    watcher.join()


def test_a_watch_goes_on_from_a_version(place: Place) -> None:
    place.create_pod(labels={"later": ""})
    version = place.core.list_namespaced_pod(HERE).metadata.resource_version
    name = place.create_pod(labels={"later": ""})
    selection = {"label_selector": "later", "resource_version": version}
    watcher = Watcher(place, **selection, timeout_seconds=1, allow_watch_bookmarks=True)
    watcher.join()
    assert watcher.events == [("ADDED", name), ("BOOKMARK", "")]


def test_a_version_that_is_too_old_is_gone(faulty: Place) -> None:
    version = faulty.core.list_namespaced_pod(HERE).metadata.resource_version
    watcher = Watcher(faulty, resource_version=version)
    faulty.cluster.faults.expire_watches()
    watcher.join()
    assert watcher.error is not None
    assert watcher.error.status == 410
    listed = faulty.core.list_namespaced_pod(HERE).metadata.resource_version
    watcher = Watcher(faulty, resource_version=listed)
    name = faulty.create_pod()
    faulty.cluster.wait(lambda: watcher.events == [("ADDED", name)], 5)


def test_watch_events_come_late_if_asked_to(faulty: Place) -> None:
    faulty.cluster.faults.watch_delay = 0.3
    watcher = Watcher(faulty)
    begin, name = time.monotonic(), faulty.create_pod()
    faulty.cluster.wait(lambda: watcher.events == [("ADDED", name)], 5)
    assert 0.3 <= time.monotonic() - begin < scaled(2)


# -- Deletion --------------------------------------------------------------------------------------


def test_a_pod_that_runs_goes_when_its_node_has_stopped_it(place: Place) -> None:
    idle, busy = place.create_pod(), place.create_pod()
    place.start(busy)
    place.core.delete_namespaced_pod(idle, HERE)
    place.core.delete_namespaced_pod(busy, HERE, grace_period_seconds=5)
    assert idle not in place.pod_names()
    meta = place.core.read_namespaced_pod(busy, HERE).metadata
    assert (meta.deletion_timestamp is None, meta.deletion_grace_period_seconds) == (False, 5)
    place.core.delete_namespaced_pod(busy, HERE, grace_period_seconds=0)
    assert busy not in place.pod_names()


def test_deletion_asks_for_the_object_that_was_meant(place: Place) -> None:
    name = place.create_pod()
    body = at("preconditions.uid", "another")
    status = refusal(lambda: place.core.delete_namespaced_pod(name, HERE, body=body), 409)
    assert "Precondition failed: UID in precondition: another" in status["message"]


def test_the_pods_of_a_deleted_job_stay_unless_asked_otherwise(place: Place) -> None:
    kept, gone = place.create_job(), place.create_job()
    pod = place.wait_for_pod(kept)
    place.batch.delete_namespaced_job(kept, HERE)
    place.wait_for_pod(gone)
    place.batch.delete_namespaced_job(gone, HERE, propagation_policy="Background")
    place.cluster.wait(lambda: not place.pods(gone), 5)
    assert place.core.read_namespaced_pod(pod, HERE).metadata.owner_references is None


def test_a_job_deleted_in_the_foreground_goes_after_its_pods(place: Place) -> None:
    name = place.create_job()
    pod = place.wait_for_pod(name)
    place.start(pod)
    place.batch.delete_namespaced_job(name, HERE, propagation_policy="Foreground")
    place.cluster.wait(lambda: place.pods(name)[0].metadata.deletion_timestamp, 5)
    assert place.batch.read_namespaced_job(name, HERE).metadata.deletion_timestamp
    place.core.delete_namespaced_pod(pod, HERE, grace_period_seconds=0)
    place.cluster.wait(lambda: name not in place.job_names(), 5)


def test_what_a_job_owns_goes_with_it(place: Place) -> None:
    name = place.create_job()
    uid = place.batch.read_namespaced_job(name, HERE).metadata.uid
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid}
    meta = {"name": f"of-{name}", "ownerReferences": [owner]}
    secret = {"metadata": meta}
    place.core.create_namespaced_secret(HERE, secret)
    place.batch.delete_namespaced_job(name, HERE, propagation_policy="Background")
    place.cluster.wait(lambda: f"of-{name}" not in str(place.core.list_namespaced_secret(HERE)), 5)


def test_a_query_counts_for_nothing_beside_a_body(place: Place) -> None:
    name = place.create_job()
    place.wait_for_pod(name)
    policy, options = "Background", client.V1DeleteOptions(propagation_policy="Orphan")
    place.batch.delete_namespaced_job(name, HERE, propagation_policy=policy, body=options)
    place.cluster.wait(lambda: name not in place.job_names(), 5)
    assert len(place.pods(name)) == 1


def test_a_selection_is_deleted(place: Place) -> None:
    one, two = place.create_pod(labels={"chosen": ""}), place.create_pod()
    place.core.delete_collection_namespaced_pod(HERE, label_selector="chosen")
    assert [name in place.pod_names() for name in (one, two)] == [False, True]


# -- Jobs ------------------------------------------------------------------------------------------


def test_a_job_whose_pod_succeeds_is_complete(place: Place) -> None:
    name = place.create_job()
    pod = place.wait_for_pod(name)
    place.start(pod)
    place.cluster.wait(lambda: place.batch.read_namespaced_job(name, HERE).status.active == 1, 5)
    place.end(pod)
    assert place.wait_for_condition(name, "Complete")["reason"] == "CompletionsReached"
    status = place.batch.read_namespaced_job(name, HERE).status
    assert (status.succeeded, status.failed, status.active) == (1, None, None)
    assert status.completion_time >= status.start_time
    owner = place.pods(name)[0].metadata.owner_references[0]
    assert (owner.kind, owner.name, owner.controller) == ("Job", name, True)


def test_a_job_gives_up_after_its_backoff_limit(place: Place) -> None:
    name = place.create_job(backoff_limit=2)
    for _ in range(3):
        place.end(place.wait_for_pod(name), 1)
    assert place.wait_for_condition(name, "Failed")["reason"] == "BackoffLimitExceeded"
    assert len(place.pods(name)) == place.status(name)["failed"] == 3


def test_a_deleted_pod_counts_as_failed_and_is_replaced(place: Place) -> None:
    name = place.create_job(backoff_limit=1)
    first = place.wait_for_pod(name)
    place.core.delete_namespaced_pod(first, HERE)
    place.end(place.wait_for_pod(name))
    place.wait_for_condition(name, "Complete")
    assert place.status(name)["failed"] == 1


def test_an_exit_code_can_fail_a_job_at_once(place: Place) -> None:
    codes = {"containerName": "main", "operator": "In", "values": [42]}
    rules = [{"action": "FailJob", "onExitCodes": codes}]
    name = place.create_job(backoff_limit=6, podFailurePolicy={"rules": rules})
    place.end(place.wait_for_pod(name), 1)
    pod = place.wait_for_pod(name)
    place.end(pod, 42)
    failed = place.wait_for_condition(name, "Failed")
    assert failed["reason"] == "PodFailurePolicy"
    assert failed["message"] == (
        f"Container main for pod zenml/{pod} failed with exit code 42"
        " matching FailJob rule at index 0"
    )


def test_an_evicted_pod_can_be_ignored(place: Place) -> None:
    rules = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]
    name = place.create_job(backoff_limit=0, podFailurePolicy={"rules": rules})
    pod = place.wait_for_pod(name)
    place.start(pod)
    place.cluster.evict(pod)
    place.end(place.wait_for_pod(name))
    place.wait_for_condition(name, "Complete")
    assert "failed" not in place.status(name)
    assert place.core.read_namespaced_pod(pod, HERE).status.reason == "Evicted"


def test_a_job_has_failed_only_when_its_pods_have_ended(place: Place) -> None:
    name = place.create_job(activeDeadlineSeconds=1)
    pod = place.wait_for_pod(name)
    place.start(pod)
    assert place.wait_for_condition(name, "FailureTarget")["reason"] == "DeadlineExceeded"
    assert "Failed" not in place.conditions(name)
    assert place.core.read_namespaced_pod(pod, HERE).metadata.deletion_timestamp
    place.core.delete_namespaced_pod(pod, HERE, grace_period_seconds=0)
    assert place.wait_for_condition(name, "Failed")["reason"] == "DeadlineExceeded"
    assert place.status(name)["failed"] == 1


def test_a_suspended_job_has_no_pods(place: Place) -> None:
    name = place.create_job()
    place.wait_for_pod(name)
    place.batch.patch_namespaced_job(name, HERE, at("spec.suspend", True))
    place.wait_for_condition(name, "Suspended")
    place.cluster.wait(lambda: not place.pods(name), 5)
    place.batch.patch_namespaced_job(name, HERE, at("spec.suspend", False))
    place.end(place.wait_for_pod(name))
    place.wait_for_condition(name, "Complete")
    assert "failed" not in place.status(name)


def test_a_job_waits_for_its_service_account(place: Place) -> None:
    name = place.create_job(pod={"serviceAccountName": "late"})
    events = place.core.list_namespaced_event
    selection = f"involvedObject.name={name},reason=FailedCreate"
    place.cluster.wait(lambda: events(HERE, field_selector=selection).items, 5)
    message = events(HERE, field_selector=selection).items[0].message
    assert message.endswith('serviceaccount "late" not found')
    place.cluster.authorize(ACCOUNT.replace("reader", "late"))
    place.wait_for_pod(name)


def refusals(place: Place, job: str) -> list[Any]:
    """The events that say why a Job gets no pod."""
    selection = f"involvedObject.name={job},reason=FailedCreate"
    return list(place.core.list_namespaced_event(HERE, field_selector=selection).items)


QUOTA = """
apiVersion: v1
kind: ResourceQuota
metadata: {name: compute}
spec: {hard: {pods: "1", limits.memory: 1Gi}}
"""
RESTRICTED = """
apiVersion: v1
kind: Namespace
metadata: {name: zenml, labels: {pod-security.kubernetes.io/enforce: restricted}}
"""
EXCEEDED = (
    "exceeded quota: compute, requested: limits.memory=3Gi, used: limits.memory=0, "
    "limited: limits.memory=1Gi"
)
VIOLATIONS = (
    'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "main" '
    "must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities "
    '(container "main" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true '
    '(pod or container "main" must set securityContext.runAsNonRoot=true), seccompProfile (pod or '
    'container "main" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
    '"Localhost")'
)
ROOT_ONLY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.mark.parametrize(
    ("manifest", "spec", "why"),
    [
        ("", {"pod": {"serviceAccountName": "none"}}, 'serviceaccount "none" not found'),
        ("", {"pod": {"priorityClassName": "high"}}, "no PriorityClass with name high was found"),
        ("", {"pod": {"priorityClassName": "system-node-critical"}}, ""),
        (QUOTA, {}, "failed quota: compute: must specify limits.memory for: main"),
        (QUOTA, {"container": at("resources.limits.memory", "1Gi")}, ""),
        (
            QUOTA,
            {"container": at("resources.limits.memory", "3Gi")},
            EXCEEDED,
        ),
        (
            RESTRICTED,
            {},
            VIOLATIONS,
        ),
        (RESTRICTED, {"container": at("securityContext", ROOT_ONLY)}, "runAsNonRoot != true"),
        (
            RESTRICTED,
            {"container": at("securityContext", ROOT_ONLY | {"runAsNonRoot": True})},
            "",
        ),
        (RESTRICTED.replace("restricted", "baseline"), {"pod": {"hostIPC": True}}, "hostIPC=true"),
    ],
)
def test_a_job_whose_pod_is_not_admitted_says_so_in_events_alone(
    faulty: Place, manifest: str, spec: Any, why: str
) -> None:
    if manifest:
        faulty.cluster.authorize(manifest)
    name = faulty.create_job(**spec)
    if not why:
        faulty.wait_for_pod(name)
        assert refusals(faulty, name) == []
        return
    faulty.cluster.wait(lambda: refusals(faulty, name), 5)
    (event, *_) = refusals(faulty, name)
    assert event.message.startswith(f'Error creating: pods "{name}-')
    assert why in event.message
    assert (event.type, event.source.component) == ("Warning", "job-controller")
    # The Job itself says nothing of it.
    assert faulty.conditions(name) == {}
    assert faulty.pods(name) == []


def test_a_pod_is_admitted_when_a_quota_is_free_again(faulty: Place) -> None:
    faulty.cluster.authorize(QUOTA)
    memory: dict[str, Any] = {"container": at("resources.limits.memory", "1Gi")}
    one, two = faulty.create_job(**memory), faulty.create_job(**memory)
    first, second = (one, two) if faulty.pods(one) else (two, one)
    pod = faulty.wait_for_pod(first)
    # Each try has a pod name of its own, so they are one event only from the eleventh on.
    faulty.cluster.wait(lambda: len(refusals(faulty, second)) == 11, 20)
    newest = max(refusals(faulty, second), key=lambda event: event.metadata.creation_timestamp)
    assert "exceeded quota: compute, requested: limits.memory=1Gi,pods=1" in newest.message
    combined = [e for e in refusals(faulty, second) if e.message.startswith("(combined from")]
    assert len(combined) == 1
    faulty.end(pod)
    faulty.wait_for_pod(second)


def test_the_same_event_again_is_counted(faulty: Place) -> None:
    name = faulty.create_job(pod={"serviceAccountName": "none"})
    faulty.cluster.wait(lambda: sum(e.count for e in refusals(faulty, name)) >= 3, 5)
    assert len(refusals(faulty, name)) == 1


def test_events_are_read_by_whom_a_role_lets(place: Place, tmp_path: Path) -> None:
    place.cluster.authorize(ACCOUNT)
    reader = connect(place.cluster, tmp_path / "kubeconfig", place.cluster.token_for("reader"))
    status = refusal(lambda: reader.core.list_namespaced_event(HERE), 403)
    assert 'cannot list resource "events" in API group ""' in status["message"]


def test_a_cluster_has_the_version_that_it_was_given(place: Place, tmp_path: Path) -> None:
    assert client.VersionApi(place.core.api_client).get_code().git_version == "v1.34.0"
    with Cluster(tmp_path, version="v1.26.15-eks-a5ec690") as cluster:
        old = connect(cluster, tmp_path / "kubeconfig")
        code = client.VersionApi(old.core.api_client).get_code()
        assert (code.major, code.minor, code.git_version) == ("1", "26", "v1.26.15-eks-a5ec690")


def test_a_finished_job_goes_after_its_time_to_live(place: Place) -> None:
    name = place.create_job(ttlSecondsAfterFinished=0)
    place.end(place.wait_for_pod(name))
    place.cluster.wait(lambda: name not in place.job_names(), 5)
    assert place.pods(name) == []


# -- CronJobs --------------------------------------------------------------------------------------


def test_each_firing_makes_a_job_of_its_own(place: Place) -> None:
    name = place.batch.create_namespaced_cron_job(HERE, cron_job()).metadata.name
    one, two = place.cluster.fire(name), place.cluster.fire(name)
    assert one != two
    assert one.startswith(f"{name}-")
    made = place.batch.read_namespaced_job(one, HERE)
    assert made.metadata.labels["run"] == "x"
    assert "batch.kubernetes.io/cronjob-scheduled-timestamp" in made.metadata.annotations
    assert made.metadata.owner_references[0].name == name
    place.end(place.wait_for_pod(one))
    place.wait_for_condition(one, "Complete")
    status = place.batch.read_namespaced_cron_job(name, HERE).status
    assert [reference.name for reference in status.active] == [two]
    assert status.last_schedule_time
    assert status.last_successful_time


def test_a_cron_job_forbids_what_its_policy_forbids(place: Place) -> None:
    body = cron_job(concurrencyPolicy="Forbid")
    name = place.batch.create_namespaced_cron_job(HERE, body).metadata.name
    place.cluster.fire(name)
    with pytest.raises(RuntimeError, match="Forbid"):
        place.cluster.fire(name)
    place.batch.patch_namespaced_cron_job(name, HERE, at("spec.suspend", True))
    with pytest.raises(RuntimeError, match="suspended"):
        place.cluster.fire(name)


def test_a_cron_job_replaces_and_forgets_jobs(place: Place) -> None:
    body = cron_job(concurrencyPolicy="Replace", successfulJobsHistoryLimit=1)
    name = place.batch.create_namespaced_cron_job(HERE, body).metadata.name
    replaced = place.cluster.fire(name)
    jobs = [place.cluster.fire(name)]
    for _ in range(2):
        place.end(place.wait_for_pod(jobs[-1]))
        place.wait_for_condition(jobs[-1], "Complete")
        jobs.append(place.cluster.fire(name))
    place.cluster.wait(lambda: jobs[0] not in place.job_names(), 5)
    left = place.job_names()
    assert [replaced in left, *(job in left for job in jobs)] == [False, False, True, True]


# -- Logs ------------------------------------------------------------------------------------------


def read_log(place: Place, pod: str, **options: Any) -> str:
    # The client would parse a log that looks like JSON.
    read = place.core.read_namespaced_pod_log
    return str(read(pod, HERE, _preload_content=False, **options).data.decode())


def test_a_log_is_there_once_a_container_runs(place: Place) -> None:
    pod = place.create_pod()
    target = client.V1Binding(target=client.V1ObjectReference(kind="Node", name="a-node"))
    place.core.create_namespaced_pod_binding(pod, HERE, target, _preload_content=False)
    status = refusal(lambda: place.core.read_namespaced_pod_log(pod, HERE), 400)
    assert status["message"].endswith("is waiting to start: ContainerCreating")
    status = refusal(lambda: place.core.read_namespaced_pod_log(pod, HERE, container="x"), 400)
    assert status["message"] == f"container x is not valid for pod {pod}"


def test_a_log_is_read_in_parts_and_followed_to_its_end(place: Place) -> None:
    pod = place.create_pod()
    place.start(pod)
    path = place.cluster.log_folder / f"{HERE}_{pod}_main.log"
    path.write_text("one\ntwo\n", encoding="utf-8")
    assert read_log(place, pod, tail_lines=1) == "two\n"
    assert read_log(place, pod, tail_lines=0) == ""
    assert read_log(place, pod, limit_bytes=5) == "one\nt"
    lines: list[str] = []

    def follow() -> None:
        method = place.core.read_namespaced_pod_log
        lines.extend(watch.Watch().stream(method, pod, HERE, tail_lines=1))

    follower = threading.Thread(target=follow)
    follower.start()
    place.cluster.wait(lambda: lines == ["two"], 5)
    with path.open("a", encoding="utf-8") as log:
        log.write("three\n")
    place.end(pod)
    follower.join()
    assert lines == ["two", "three"]


@pytest.mark.parametrize("how", ["end", "reset"])
def test_a_log_that_is_followed_can_break_off_within_a_line(faulty: Place, how: str) -> None:
    pod = faulty.create_pod()
    faulty.start(pod)
    path = faulty.cluster.log_folder / f"{HERE}_{pod}_main.log"
    path.write_text("one\ntwo\n", encoding="utf-8")
    faulty.cluster.faults.log_cuts = [how]
    read = faulty.core.read_namespaced_pod_log
    answer = read(pod, HERE, follow=True, _preload_content=False)
    said = b""
    try:
        for piece in answer.stream():
            said += piece
    except urllib3.exceptions.HTTPError:
        assert how == "reset"
    assert said == b"one\ntw"
    assert read_log(faulty, pod) == "one\ntwo\n"


# -- Faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["429", "500", "503"])
def test_a_request_can_fail(faulty: Place, kind: str) -> None:
    faulty.cluster.faults.rate, faulty.cluster.faults.kinds = 1.0, (kind,)
    status = refusal(faulty.pod_names, int(kind))
    assert status["code"] == int(kind)
    faulty.cluster.faults.only_accounts = {"reader"}
    assert faulty.pod_names() == []


def test_a_lost_answer_does_not_say_whether_the_request_was_carried_out(faulty: Place) -> None:
    faulty.cluster.faults.rate, faulty.cluster.faults.kinds = 1.0, ("reset",)
    for _ in range(20):
        with pytest.raises(urllib3.exceptions.HTTPError):
            faulty.create_pod()
    assert 0 < len(faulty.cluster.objects("Pod")) < 20
    assert {call.status for call in faulty.cluster.calls} == {0}
