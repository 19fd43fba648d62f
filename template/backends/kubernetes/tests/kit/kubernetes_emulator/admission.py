# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Which pods the API server does not admit, in the words of its admission controllers.

They come in the server's order: ServiceAccount, Priority, PodSecurity, ResourceQuota.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/

The first two look at a pod before its name is generated, the others after. Of the Pod Security
Standards there is what decides about a pod of ours: capabilities, privileges, users, seccomp,
volumes and the host's namespaces. A quota counts pods, and what their containers request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .schema import RESOURCES, Object, canonical_quantity, quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .store import Store

PODS = RESOURCES["pods"]
# https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
SYSTEM_CLASSES = ("system-cluster-critical", "system-node-critical")
ENFORCE = "pod-security.kubernetes.io/enforce"
# https://kubernetes.io/docs/concepts/security/pod-security-standards/
RESTRICTED_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"),
    *("projected", "secret", "image"),
}
HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")


def admit(store: Store, pod: Object) -> None:
    """Refuses a new pod that its namespace or its cluster does not admit.

    Raises:
        ApiError: 403.
    """
    meta, spec = pod["metadata"], pod["spec"]
    place = meta["namespace"]
    template = meta.get("generateName") or meta["name"]
    account, priority = spec["serviceAccountName"], spec.get("priorityClassName")
    if not store.look_up("serviceaccounts", account, place):
        why = f'error looking up service account {place}/{account}: serviceaccount "{account}" '
        raise PODS.forbidden(template, why + "not found")
    is_ours = priority and priority not in SYSTEM_CLASSES
    if is_ours and not store.look_up("priorityclasses", priority):
        raise PODS.forbidden(template, f"no PriorityClass with name {priority} was found")
    labels = store.look_up("namespaces", place)["metadata"].get("labels", {})
    level, version = labels.get(ENFORCE, "privileged"), labels.get(f"{ENFORCE}-version", "latest")
    if violations := [*_violations(spec, level)]:
        why = f'violates PodSecurity "{level}:{version}": {", ".join(violations)}'
        raise PODS.forbidden(meta["name"], why)
    for quota in store.select(RESOURCES["resourcequotas"], place):
        if problem := _excess(store, quota, pod):
            raise PODS.forbidden(meta["name"], problem)


# -- Pod Security ----------------------------------------------------------------------------------


def _violations(spec: Object, level: str) -> Iterator[str]:
    if level not in ("baseline", "restricted"):
        return
    containers = spec.get("initContainers", []) + spec["containers"]

    def named(wrong: Iterable[Object]) -> str:
        names = [f'"{container["name"]}"' for container in wrong]
        return f"container{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else ""

    def setting(container: Object, *path: str) -> Any:
        value: Any = container.get("securityContext", {})
        for key in path:
            value = (value or {}).get(key)
        return value

    def of_pod(*path: str) -> Any:
        return setting(spec, *path)

    if shared := [f"{name}=true" for name in HOST_NAMESPACES if spec.get(name)]:
        yield f"host namespaces ({', '.join(shared)})"
    if who := named(c for c in containers if setting(c, "privileged")):
        yield f"privileged ({who} must not set securityContext.privileged=true)"
    volumes = spec.get("volumes", [])
    if level == "baseline":
        if paths := [f'"{volume["name"]}"' for volume in volumes if "hostPath" in volume]:
            yield f"hostPath volumes (volume{'s' if len(paths) > 1 else ''} {', '.join(paths)})"
        return
    if who := named(c for c in containers if setting(c, "allowPrivilegeEscalation") is not False):
        what = "must set securityContext.allowPrivilegeEscalation=false"
        yield f"allowPrivilegeEscalation != false ({who} {what})"
    if who := named(
        c for c in containers if "ALL" not in (setting(c, "capabilities", "drop") or [])
    ):
        yield (
            f'unrestricted capabilities ({who} must set securityContext.capabilities.drop=["ALL"])'
        )
    for volume in volumes:
        for kind in volume.keys() - RESTRICTED_VOLUMES - {"name"}:
            what = f'volume "{volume["name"]}" uses restricted volume type "{kind}"'
            yield f"restricted volume types ({what})"
    non_root = of_pod("runAsNonRoot")
    wrong = (
        c
        for c in containers
        if setting(c, "runAsNonRoot") is False or not (setting(c, "runAsNonRoot") or non_root)
    )
    if who := named(wrong):
        yield f"runAsNonRoot != true (pod or {who} must set securityContext.runAsNonRoot=true)"
    roots = (c for c in containers if setting(c, "runAsUser") == 0)
    if who := "pod" if of_pod("runAsUser") == 0 else named(roots):
        yield f"runAsUser=0 ({who} must not set runAsUser=0)"
    profiles = ("RuntimeDefault", "Localhost")
    kind_of_pod = of_pod("seccompProfile", "type")
    if who := named(
        c
        for c in containers
        if (setting(c, "seccompProfile", "type") or kind_of_pod) not in profiles
    ):
        what = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        yield f"seccompProfile (pod or {who} {what})"


# -- Quotas ----------------------------------------------------------------------------------------
# https://kubernetes.io/docs/concepts/policy/resource-quotas/


def _excess(store: Store, quota: Object, pod: Object) -> str:
    """Says why a pod does not fit into a quota."""
    name, hard = quota["metadata"]["name"], quota["spec"].get("hard", {})
    lacking = [
        f"{resource} for: {','.join(names)}"
        for resource in sorted(hard)
        if resource.partition(".")[0] in ("requests", "limits")
        and (names := [c["name"] for c in pod["spec"]["containers"] if _of(c, resource) is None])
    ]
    if lacking:
        return f"failed quota: {name}: must specify {'; '.join(lacking)}"
    others = store.select(PODS, pod["metadata"]["namespace"])
    counted = [p for p in others if p["status"]["phase"] not in ("Succeeded", "Failed")]
    exceeded = []
    for resource, limit in sorted(hard.items()):
        used, wanted = (sum(_usage(p, resource) for p in pods) for pods in (counted, [pod]))
        if wanted and used + wanted > quantity(limit):
            binary = limit.endswith("i")
            texts = [f"{n / 1024}Ki" if binary else str(n) for n in (wanted, used)]
            amounts = [canonical_quantity(text) for text in texts]
            exceeded.append((resource, *amounts, limit))
    if not exceeded:
        return ""
    wanted, used, limits = (
        ",".join(f"{row[0]}={row[column]}" for row in exceeded) for column in (1, 2, 3)
    )
    return f"exceeded quota: {name}, requested: {wanted}, used: {used}, limited: {limits}"


def _usage(pod: Object, resource: str) -> Any:
    if resource in ("pods", "count/pods"):
        return 1
    return sum(quantity(_of(c, resource) or "0") for c in pod["spec"]["containers"])


def _of(container: Object, resource: str) -> str | None:
    kind, _, name = resource.partition(".")
    if kind not in ("requests", "limits"):  # `cpu` is short for `requests.cpu`.
        kind, name = "requests", resource
    amount: str | None = container.get("resources", {}).get(kind, {}).get(name)
    return amount
