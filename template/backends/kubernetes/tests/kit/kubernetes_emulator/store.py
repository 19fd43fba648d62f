# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The emulator's storage: objects, their versions, and what changed.

Everything here runs in the event loop's thread. Stored objects are never changed in place, so a
reader may keep one. https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import copy
import secrets
import time
import uuid
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

from .admission import admit
from .defaults import fill_in, select_pods
from .formats import Problems
from .validation import validate
from .schema import KINDS, RESOURCES, ApiError, Object, Resource, bad_request, decode, now

if TYPE_CHECKING:
    from collections.abc import Callable

PODS, JOBS, EVENTS = RESOURCES["pods"], RESOURCES["jobs"], RESOURCES["events"]
KEPT_CHANGES = 5000
# How many events that differ in their message only are written apart, and how the others begin.
SIMILAR_EVENTS, COMBINED = 10, "(combined from similar events): "
# What generated names end in: no vowels, and no digits that look like some.
# https://kubernetes.io/docs/reference/using-api/api-concepts/#generated-values
RANDOM = "bcdfghjklmnpqrstvwxz2456789"


class Ref(NamedTuple):
    """Where an object is; `namespace` is empty if its kind has none."""

    resource: Resource
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Object) -> Ref:
        """Where a stored object is."""
        meta = obj["metadata"]
        return cls(KINDS[obj["kind"]], meta.get("namespace", ""), meta["name"])


@dataclass(frozen=True)
class Change:
    """One change of one object. `old` is missing if it is new, `obj` is the last state if gone."""

    version: int
    type: str
    ref: Ref
    obj: Object
    old: Object | None
    seconds: float = field(default_factory=time.monotonic)


class Store:
    """All objects of the emulator, with the API server's rules of writing."""

    def __init__(self) -> None:
        """Starts empty."""
        self._objects: dict[Ref, Object] = {}
        self.version = 0
        """The resource version of everything."""
        self._changes: list[Change] = []
        self.forgotten = 0
        """Changes up to this version are not known any more."""
        self.listeners: list[Callable[[Change], None]] = []

    def forget(self, keep: int = 0) -> None:
        """Drops all but the newest changes, as etcd's compaction does."""
        self._changes = self._changes[len(self._changes) - keep :]
        self.forgotten = self._changes[0].version - 1 if self._changes else self.version
        if not keep:
            self.version += 1  # so that what was current a moment ago is too old now
            self.forgotten = self.version

    def since(self, version: int) -> list[Change]:
        """What changed after a resource version.

        Raises:
            ApiError: 410, that is too long ago.
        """
        if version < self.forgotten:
            message = f"too old resource version: {version} ({self.forgotten})"
            raise ApiError(410, "Expired", message)
        return self._changes[bisect_right(self._changes, version, key=lambda c: c.version) :]

    def find(self, ref: Ref) -> Object | None:
        """One object, if it exists."""
        return self._objects.get(ref)

    def get(self, ref: Ref) -> Object:
        """One object.

        Raises:
            ApiError: 404.
        """
        found = self._objects.get(ref)
        if found is None:
            raise ref.resource.not_found(ref.name)
        return found

    def look_up(self, plural: str, name: str, namespace: str = "") -> Object:
        """One object by the plural of its kind, empty if it does not exist."""
        return self._objects.get(Ref(RESOURCES[plural], namespace, name), {})

    def select(self, resource: Resource, namespace: str = "") -> list[Object]:
        """The objects of a kind in a namespace (or everywhere), in the server's order."""
        refs = [ref for ref in self._objects if ref.resource is resource]
        return [
            self._objects[ref]
            for ref in sorted(refs, key=lambda ref: ref[1:])
            if namespace in ("", ref.namespace)
        ]

    def everything(self) -> list[Object]:
        """All objects there are."""
        return list(self._objects.values())

    def create(
        self, resource: Resource, namespace: str, body: Object, *, dry_run: bool = False
    ) -> Object:
        """Stores a new object.

        Args:
            resource: Its kind.
            namespace: Where to; empty if it is in none.
            body: The object, decoded.
            dry_run: Whether only to say what would come of it.

        Returns:
            The object with all that the server adds.

        Raises:
            ApiError: It is refused.
        """
        obj = copy.deepcopy(body)
        meta = obj["metadata"]
        self._check_namespace(resource, namespace, meta)
        if meta.get("resourceVersion"):
            why = "resourceVersion should not be set on objects to be created"
            raise ApiError(500, "InternalError", why)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = self._free_name(resource, namespace, meta["generateName"])
        if not meta.get("name"):
            problems = Problems()
            problems.required("metadata.name", "name or generateName is required")
            problems.refuse(resource, "")
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
            meta.pop(key, None)
        if resource.has_status:
            meta["generation"] = 1
            obj.pop("status", None)
        fill_in(resource, obj)
        if resource is JOBS:
            select_pods(obj)
        validate(resource, obj)
        if resource is PODS:
            admit(self, obj)
        if self.find(Ref.of(obj)):
            why = f'{resource.qualified(resource.plural)} "{meta["name"]}" already exists'
            raise resource.conflict(meta["name"], why, reason="AlreadyExists")
        return obj if dry_run else self._commit("ADDED", obj, None)

    def _check_namespace(self, resource: Resource, namespace: str, meta: Object) -> None:
        if resource.namespaced:
            if meta.setdefault("namespace", namespace) != namespace:
                why = "the namespace of the provided object does not match the namespace sent"
                raise bad_request(f"{why} on the request")
            self.get(Ref(RESOURCES["namespaces"], "", namespace))
        else:
            meta.pop("namespace", None)

    def _free_name(self, resource: Resource, namespace: str, prefix: str) -> str:
        # Five characters, and 63 in all at most.
        while True:
            name = prefix[:58] + "".join(secrets.choice(RANDOM) for _ in range(5))
            if not self.find(Ref(resource, namespace, name)):
                return name

    def modify(
        self,
        ref: Ref,
        change: Callable[[Object], Object | None],
        *,
        status: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """Changes an object.

        Args:
            ref: Where it is.
            change: Gets a copy, changes that or returns what to store instead.
            status: Whether only the status is written, rather than everything else.
            dry_run: Whether only to say what would come of it.

        Returns:
            The object as it is then.

        Raises:
            ApiError: There is none, it has changed since, or it is refused.
        """
        resource, namespace, _ = ref
        old = self.get(ref)
        draft = copy.deepcopy(old)
        new = change(draft) or draft
        self._check_unchanged(resource, old["metadata"], new["metadata"])
        if status:
            new = copy.deepcopy(old) | {"status": new.get("status", {})}
        else:
            self._check_namespace(resource, namespace, new["metadata"])
            for key in (
                "uid",
                "creationTimestamp",
                "generateName",
                "generation",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
            ):
                new["metadata"].pop(key, None)
                if key in old["metadata"]:
                    new["metadata"][key] = old["metadata"][key]
            if resource.has_status:
                new["status"] = old.get("status", {})
        fill_in(resource, new)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        validate(resource, new, old)
        if new == old or dry_run:
            return new
        if resource.has_status and new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] += 1
        finalized = old["metadata"].get("finalizers") and not new["metadata"].get("finalizers")
        waits = new["metadata"].get("deletionGracePeriodSeconds")
        if finalized and "deletionTimestamp" in new["metadata"] and not waits:
            return self._commit("DELETED", new, old)
        return self._commit("MODIFIED", new, old)

    def _check_unchanged(self, resource: Resource, old: Object, new: Object) -> None:
        name, given = old["name"], new.get("name", old["name"])
        if given != name:
            why = f"the name of the object ({given}) does not match the name on the URL ({name})"
            raise bad_request(why)
        why = f'Operation cannot be fulfilled on {resource.qualified(resource.plural)} "{name}": '
        if new.get("uid", old["uid"]) != old["uid"]:
            why += f"Precondition failed: UID in precondition: {new['uid']}, UID in object meta: "
            raise resource.conflict(name, why + old["uid"])
        if new.get("resourceVersion") not in (None, "", old["resourceVersion"]):
            why += "the object has been modified; please apply your changes to the latest version"
            raise resource.conflict(name, f"{why} and try again")

    def delete(self, ref: Ref, options: Object) -> Object:
        """Deletes an object, or begins to.

        A pod that runs goes when its node has stopped it; an object with finalizers goes when the
        last of them has been removed.

        Args:
            ref: Where it is.
            options: `DeleteOptions`, of which `propagationPolicy`, `orphanDependents`,
                `gracePeriodSeconds`, `preconditions` and `dryRun` are heeded.

        Returns:
            The object in its last state.

        Raises:
            ApiError: There is none, or it is not the one that was meant.
        """
        resource = ref.resource
        old = self.get(ref)
        self._check_unchanged(resource, old["metadata"], options.get("preconditions", {}))
        obj = copy.deepcopy(old)
        meta = obj["metadata"]
        # A Job's pods stay unless the client says otherwise.
        # https://kubernetes.io/docs/tasks/administer-cluster/use-cascading-deletion/
        policy = "Orphan" if resource is JOBS else "Background"
        policy = "Orphan" if options.get("orphanDependents") in (True, "true", "True") else policy
        policy = options.get("propagationPolicy", policy)
        added = {"Foreground": ["foregroundDeletion"], "Orphan": ["orphan"], "Background": []}
        problems = Problems()
        problems.one_of("propagationPolicy", policy, added)
        problems.refuse(resource, ref.name)
        grace = _grace(obj, options) if resource is PODS else 0
        finalizers = list(dict.fromkeys([*meta.get("finalizers", []), *added[policy]]))
        if options.get("dryRun"):
            return obj
        if not finalizers and not grace:
            return self._commit("DELETED", obj, old)
        if finalizers:
            meta["finalizers"] = finalizers
        if "deletionTimestamp" not in meta or grace < meta["deletionGracePeriodSeconds"]:
            moment = datetime.now(timezone.utc) + timedelta(seconds=grace)
            meta["deletionTimestamp"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
            meta["deletionGracePeriodSeconds"] = grace
        return obj if obj == old else self._commit("MODIFIED", obj, old)

    def _commit(self, kind: str, obj: Object, old: Object | None) -> Object:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        ref = Ref.of(obj)
        if kind == "DELETED":
            del self._objects[ref]
        else:
            self._objects[ref] = obj
        change = Change(self.version, kind, ref, obj, old)
        self._changes.append(change)
        if len(self._changes) > KEPT_CHANGES:
            self.forget(KEPT_CHANGES // 2)
        for listener in list(self.listeners):
            listener(change)
        return obj

    def bind(self, ref: Ref, node: str) -> None:
        """Gives a pod to a node, as the scheduler does.

        Raises:
            ApiError: It has one, or is about to go.
        """
        pod = copy.deepcopy(self.get(ref))
        why = f'Operation cannot be fulfilled on pods/binding "{ref.name}": pod {ref.name} is '
        if pod["spec"].get("nodeName"):
            why += f'already assigned to node "{pod["spec"]["nodeName"]}"'
            raise PODS.conflict(ref.name, why)
        if "deletionTimestamp" in pod["metadata"]:
            raise PODS.conflict(ref.name, why + "being deleted, cannot be assigned to a host")
        pod["spec"]["nodeName"] = node
        condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now()}
        others = [c for c in pod["status"].get("conditions", []) if c["type"] != "PodScheduled"]
        pod["status"]["conditions"] = [*others, condition]
        self._commit("MODIFIED", pod, self.get(ref))

    def tell(self, about: Object, kind: str, reason: str, message: str) -> None:
        """Writes an Event about an object, as controllers do.

        The same again is counted in the first. From the eleventh on, those that differ in their
        message only are one, with the newest message; the real ones, if they come within ten
        minutes. There is no limit to how many there may be, as there really is.
        https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
        """
        meta, component = about["metadata"], f"{about['kind'].lower()}-controller"
        alike = [
            event
            for ref, event in self._objects.items()
            if ref.resource is EVENTS
            and event["involvedObject"].get("uid") == meta["uid"]
            and (event["type"], event["reason"]) == (kind, reason)
        ]
        same = next((event for event in alike if event["message"] == message), None)
        if same is None and len(alike) >= SIMILAR_EVENTS:
            message = COMBINED + message
            same = next((event for event in alike if event["message"].startswith(COMBINED)), None)
        if same is not None:
            again = {"count": same["count"] + 1, "lastTimestamp": now(), "message": message}
            self.modify(Ref.of(same), lambda event: event | again)
            return
        involved = {key: meta[key] for key in ("namespace", "name", "uid", "resourceVersion")}
        event = {
            "metadata": {"generateName": meta["name"][:50].rstrip("-.") + "."},
            "involvedObject": involved | {key: about[key] for key in ("kind", "apiVersion")},
            "type": kind,
            "reason": reason,
            "message": message,
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
            "source": {"component": component},
            "reportingComponent": component,
        }
        self.create(EVENTS, meta["namespace"], decode(EVENTS, event)[0])


def _grace(pod: Object, options: Object) -> int:
    # https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
    started = pod["spec"].get("nodeName") or pod["status"].get("startTime")
    if not started or pod["status"]["phase"] in ("Succeeded", "Failed"):
        return 0
    grace = options.get("gracePeriodSeconds", pod["spec"]["terminationGracePeriodSeconds"])
    return int(grace)


def controller_of(obj: Object) -> Object:
    """The owner reference of the controller that made an object, empty if there is none."""
    owners = obj["metadata"].get("ownerReferences", [])
    return next((owner for owner in owners if owner.get("controller")), {})
