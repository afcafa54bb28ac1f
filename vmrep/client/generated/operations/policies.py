"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from vmrep.client.calls import Calls, Page
from vmrep.client.generated import models


class PoliciesFilter(TypedDict, total=False):
    fields: Sequence[str] | None
    ordering: Sequence[str] | None
    priority: Sequence[str] | None
    rpo_kind: Sequence[str] | None
    search: str | None


class PoliciesQuery(PoliciesFilter, Page, total=False):
    pass


class Policies(Calls):
    def get_policies(self, **query: Unpack[PoliciesQuery]) -> models.PolicyPage:
        """All policies, with where they apply."""
        return self._get("/api/v1/policies/", query=query)

    def all_policies(self, **query: Unpack[PoliciesFilter]) -> Iterator[models.Policy]:
        """All rows of `get_policies`, page by page."""
        return self._rows("/api/v1/policies/", query=query)

    def post_policies(
        self, body: models.NewPolicy, *, idempotency_key: str | None = None
    ) -> models.Policy:
        """Add one, which applies nowhere yet."""
        return self._once("/api/v1/policies/", body=body, key=idempotency_key)

    def get_policy(self, policy_id: int) -> models.Policy:
        """One."""
        return self._get("/api/v1/policies/{}/", policy_id)

    def patch_policy(
        self,
        policy_id: int,
        body: models.ChangedPolicy | None = None,
        *,
        if_match: str | None = None,
    ) -> models.ChangedPolicyAnswer:
        """Change what is given."""
        return self._send("PATCH", "/api/v1/policies/{}/", policy_id, body=body, if_match=if_match)

    def delete_policy(self, policy_id: int, *, if_match: str | None = None) -> None:
        """Remove one that applies nowhere."""
        self._send("DELETE", "/api/v1/policies/{}/", policy_id, if_match=if_match)

    def post_policy_preview(
        self, policy_id: int, body: models.PossibleChange | None = None
    ) -> models.PolicyPreviewAnswer:
        """What one change of the policy would do. Nothing is written."""
        return self._send("POST", "/api/v1/policies/{}/preview/", policy_id, body=body)

    def get_policy_rpo_history(self, policy_id: int) -> models.PolicyHistoryAnswer:
        """Shares of time within the target of the VMs for which the policy says when."""
        return self._get("/api/v1/policies/{}/rpo-history/", policy_id)

    def post_policy_scopes(self, policy_id: int, body: models.NewScope) -> models.NewScopeAnswer:
        """Let the policy apply somewhere."""
        return self._send("POST", "/api/v1/policies/{}/scopes/", policy_id, body=body)

    def get_policy_scope(self, policy_id: int, scope_id: int) -> models.Scope:
        """One place where the policy applies."""
        return self._get("/api/v1/policies/{}/scopes/{}/", policy_id, scope_id)

    def delete_policy_scope(
        self, policy_id: int, scope_id: int, *, if_match: str | None = None
    ) -> models.OutcomeAnswer:
        """Let it no longer apply there."""
        return self._send(
            "DELETE", "/api/v1/policies/{}/scopes/{}/", policy_id, scope_id, if_match=if_match
        )
