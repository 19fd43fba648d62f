# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Who a request comes from, and what that account may do.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .schema import KINDS, RESOURCES, ApiError, Object, Resource
from .store import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .store import Store

EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
READ, WRITE = ["get", "list", "watch"], ["create", "update", "patch", "delete", "deletecollection"]
CORE = ["configmaps", "events", "pods", "serviceaccounts"]
# Of the roles that every cluster has, the part that is about the kinds of this emulator.
# https://kubernetes.io/docs/reference/access-authn-authz/rbac/#user-facing-roles
VIEW = [
    {"apiGroups": [""], "verbs": READ, "resources": [*CORE, "pods/log", "pods/status"]},
    {"apiGroups": [""], "verbs": READ, "resources": ["namespaces"]},
    {
        "apiGroups": ["batch"],
        "verbs": READ,
        "resources": ["jobs", "jobs/status", "cronjobs", "cronjobs/status"],
    },
]
EDIT = [
    *VIEW,
    {"apiGroups": [""], "verbs": READ + WRITE, "resources": [*CORE, "secrets"]},
    {"apiGroups": [""], "verbs": ["create"], "resources": ["serviceaccounts/token"]},
    {"apiGroups": ["batch"], "verbs": READ + WRITE, "resources": ["jobs", "cronjobs"]},
]
ROLES = {"resources": ["roles", "rolebindings"], "apiGroups": ["rbac.authorization.k8s.io"]}
ADMIN = [*EDIT, {**ROLES, "verbs": READ + WRITE}]
CLUSTER_ROLES = {"view": VIEW, "edit": EDIT, "admin": ADMIN, "cluster-admin": [EVERYTHING]}


@dataclass(frozen=True)
class Target:
    """What a request is about, from its URL and method."""

    verb: str
    resource: Resource
    namespace: str
    name: str
    subresource: str = ""

    @property
    def ref(self) -> Ref:
        """Where the object is."""
        namespace = self.namespace if self.resource.namespaced else ""
        return Ref(self.resource, namespace, self.name)

    @property
    def full_resource(self) -> str:
        """As RBAC names it, for instance `pods/log`."""
        return f"{self.resource.plural}/{self.subresource}".rstrip("/")

    @classmethod
    def parse(cls, method: str, path: str, query: Mapping[str, str]) -> Target | None:
        """Reads a request's first line; `None` if it is about nothing that is known here."""
        match = re.fullmatch(r"/(?:api|apis/([\w.]+))/v1(?:/namespaces/([^/]+)(?=/))?/(.+)", path)
        group, namespace, rest = match.groups("") if match else ("", "", "")
        plural, name, subresource = (rest + "//").split("/", 2)
        subresource = subresource.strip("/")
        resource = RESOURCES.get(plural)
        if not resource or resource.group != group:
            return None
        verbs = {"GET": "get" if name else "list", "POST": "create", "PUT": "update"}
        verbs |= {"PATCH": "patch", "DELETE": "delete" if name else "deletecollection"}
        verb = verbs.get(method, method.lower())
        if verb == "list" and query.get("watch") in ("true", "True", "1"):
            verb = "watch"
        # A namespace is read with the rights that one has in it.
        namespace = name if plural == "namespaces" else namespace
        return cls(verb, resource, namespace, name, subresource)


@dataclass(frozen=True)
class Account:
    """Somebody with a token. Only service accounts have a namespace and a uid; others may all."""

    name: str
    namespace: str = ""
    uid: str = ""

    @property
    def user(self) -> str:
        """As the server's messages and role bindings name it."""
        prefix = f"system:serviceaccount:{self.namespace}:" if self.namespace else ""
        return prefix + self.name


class Access:
    """Tokens and roles."""

    def __init__(self, store: Store) -> None:
        """Knows the accounts and roles of a store, and two accounts that may all."""
        self._store = store
        self._accounts: dict[str, Account] = {}
        self.admin_token, self.node_token = (self._token(Account(n)) for n in ("admin", "node"))

    def _token(self, account: Account) -> str:
        token = secrets.token_urlsafe(32)
        self._accounts[token] = account
        return token

    def issue(self, namespace: str, name: str) -> str:
        """Makes a token for a service account.

        Raises:
            ApiError: 404, there is no such account.
        """
        found = self._store.get(Ref(RESOURCES["serviceaccounts"], namespace, name))
        return self._token(Account(name, namespace, found["metadata"]["uid"]))

    def account(self, authorization: str) -> Account | None:
        """Whose token a request's header has. It goes with the account that it was made for."""
        scheme, _, token = authorization.partition(" ")
        account = self._accounts.get(token) if scheme.lower() == "bearer" else None
        if account is None or not account.namespace:
            return account
        ref = Ref(RESOURCES["serviceaccounts"], account.namespace, account.name)
        found = self._store.find(ref)
        return account if found and found["metadata"]["uid"] == account.uid else None

    def check(self, account: Account, target: Target) -> None:
        """Refuses what an account may not do.

        Raises:
            ApiError: 403.
        """
        if self.may(account, target):
            return
        resource, name = target.resource, target.name
        where = f'in the namespace "{target.namespace}"' if target.namespace else ""
        where = where or "at the cluster scope"
        what = f'{target.verb} resource "{target.full_resource}" in API group "{resource.group}"'
        subject = resource.qualified(resource.plural) + (f' "{name}"' if name else "")
        message = f'{subject} is forbidden: User "{account.user}" cannot {what} {where}'
        details = {"name": name, "group": resource.group, "kind": resource.plural}
        raise ApiError(403, "Forbidden", message, **details)

    def may(self, account: Account, target: Target) -> bool:
        """Whether a role allows it."""
        if not account.namespace:
            return True
        return any(_allows(rule, target) for rule in self._rules(account, target.namespace))

    def _rules(self, account: Account, namespace: str) -> Iterator[Object]:
        bindings = self._store.select(RESOURCES["clusterrolebindings"])
        if namespace:
            bindings = bindings + self._store.select(RESOURCES["rolebindings"], namespace)
        for binding in bindings:
            if any(_names(subject, account) for subject in binding.get("subjects", [])):
                role = KINDS[binding["roleRef"]["kind"]]
                place = namespace if role.namespaced else ""
                found = self._store.find(Ref(role, place, binding["roleRef"]["name"]))
                yield from found.get("rules", []) if found else []


def _names(subject: Object, account: Account) -> bool:
    if subject["kind"] == "ServiceAccount":
        return (subject["name"], subject["namespace"]) == (account.name, account.namespace)
    everybody = "system:serviceaccounts"
    groups = (everybody, f"{everybody}:{account.namespace}", "system:authenticated")
    return subject["name"] in ((account.user,) if subject["kind"] == "User" else groups)


def _allows(rule: Object, target: Target) -> bool:
    resources = {"*", target.full_resource}
    if target.subresource:
        resources.add(f"*/{target.subresource}")
    return bool(
        {"*", target.verb} & set(rule["verbs"])
        and {"*", target.resource.group} & set(rule.get("apiGroups", []))
        and resources & set(rule.get("resources", []))
        and target.name in rule.get("resourceNames", [target.name])
    )
