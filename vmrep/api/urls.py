"""The API's addresses, under /api/v1/ (docs/api.md)."""

from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter

from vmrep.api.views import (
    audit,
    bulk,
    contexts,
    events,
    groups,
    health,
    integrity,
    jobs,
    limits,
    notifications,
    pauses,
    points,
    policies,
    removal,
    reports,
    repositories,
    root,
    rpo,
    saved_views,
    tokens,
    users,
    vcenters,
)


class Identifier(StringConverter):
    """A context's or job's ID, as vmrep makes them: nothing else reaches the database."""

    regex = r"[A-Za-z0-9._-]+"


register_converter(Identifier, "identifier")

app_name = "api"
urlpatterns = [
    path("", root.Root.as_view(), name="root"),
    path("token/", tokens.TokenView.as_view(), name="token"),
    path("tokens/", tokens.TokenList.as_view(), name="tokens"),
    path("tokens/<int:token_id>/", tokens.TokenDetail.as_view(), name="token-detail"),
    path("saved-views/", saved_views.SavedViewList.as_view(), name="saved-views"),
    path("saved-views/<int:view_id>/", saved_views.SavedViewDetail.as_view(), name="saved-view"),
    path("users/", users.UserList.as_view(), name="users"),
    path("users/<int:user_id>/", users.UserDetail.as_view(), name="user"),
    path("users/<int:user_id>/scopes/", users.UserPlaces.as_view(), name="user-scopes"),
    path(
        "users/<int:user_id>/scopes/<int:place_id>/", users.UserPlace.as_view(), name="user-scope"
    ),
    path("vm-contexts/", contexts.ContextList.as_view(), name="vm-contexts"),
    path("vm-contexts/lookup/", contexts.ContextLookup.as_view(), name="vm-context-lookup"),
    path(
        "vm-contexts/<identifier:context_id>/",
        contexts.ContextDetail.as_view(),
        name="vm-context",
    ),
    path(
        "vm-contexts/<identifier:context_id>/replications/",
        contexts.ContextReplications.as_view(),
        name="vm-context-replications",
    ),
    path(
        "vm-contexts/<identifier:context_id>/release/",
        removal.ContextRelease.as_view(),
        name="vm-context-release",
    ),
    path(
        "vm-contexts/<identifier:context_id>/delete-replica-data/",
        removal.ReplicaDeletion.as_view(),
        name="vm-context-delete-replica-data",
    ),
    path(
        "vm-contexts/<identifier:context_id>/confirm-identity/",
        contexts.ConfirmIdentity.as_view(),
        name="vm-context-confirm-identity",
    ),
    path(
        "vm-contexts/<identifier:context_id>/reject-identity/",
        contexts.RejectIdentity.as_view(),
        name="vm-context-reject-identity",
    ),
    path(
        "vm-contexts/<identifier:context_id>/rpo-history/",
        rpo.ContextHistory.as_view(),
        name="vm-context-rpo-history",
    ),
    path("replications/", jobs.JobList.as_view(), name="replications"),
    path("replications/<identifier:job_id>/", jobs.JobDetail.as_view(), name="replication"),
    path(
        "replications/<identifier:job_id>/cancel/",
        jobs.JobCancel.as_view(),
        name="replication-cancel",
    ),
    path(
        "replications/<identifier:job_id>/retry/",
        jobs.JobRetry.as_view(),
        name="replication-retry",
    ),
    path(
        "replications/<identifier:job_id>/debug-bundle/",
        jobs.JobDebugBundle.as_view(),
        name="replication-debug-bundle",
    ),
    path(
        "replications/<identifier:job_id>/steps/",
        jobs.JobSteps.as_view(),
        name="replication-steps",
    ),
    path("replications/<identifier:job_id>/log/", jobs.JobLog.as_view(), name="replication-log"),
    path(
        "replications/<identifier:job_id>/throughput/",
        jobs.JobThroughput.as_view(),
        name="replication-throughput",
    ),
    path("vcenters/", vcenters.VCenterList.as_view(), name="vcenters"),
    path("vcenters/<int:vcenter_id>/", vcenters.VCenterDetail.as_view(), name="vcenter"),
    path(
        "vcenters/<int:vcenter_id>/discovery/",
        vcenters.VCenterDiscovery.as_view(),
        name="vcenter-discovery",
    ),
    path("recovery-points/<int:point_id>/", points.PointDetail.as_view(), name="recovery-point"),
    path(
        "recovery-points/<int:point_id>/pin/",
        points.PointPin.as_view(),
        name="recovery-point-pin",
    ),
    path(
        "recovery-points/<int:point_id>/verification/",
        points.PointVerificationNow.as_view(),
        name="recovery-point-verification",
    ),
    path(
        "vm-contexts/<identifier:context_id>/verification/",
        points.ContextVerification.as_view(),
        name="vm-context-verification",
    ),
    path(
        "vm-contexts/<identifier:context_id>/move/",
        repositories.Move.as_view(),
        name="vm-context-move",
    ),
    path(
        "vm-contexts/<identifier:context_id>/retention-preview/",
        repositories.RetentionPreview.as_view(),
        name="vm-context-retention-preview",
    ),
    path("repositories/", repositories.RepositoryList.as_view(), name="repositories"),
    path(
        "repositories/<int:repository_id>/",
        repositories.RepositoryDetail.as_view(),
        name="repository",
    ),
    path(
        "repositories/<int:repository_id>/vms/",
        repositories.RepositoryVMs.as_view(),
        name="repository-vms",
    ),
    path(
        "repositories/<int:repository_id>/recovery-points/",
        repositories.RepositoryPoints.as_view(),
        name="repository-points",
    ),
    path(
        "repositories/<int:repository_id>/space/",
        repositories.RepositorySpaceList.as_view(),
        name="repository-space",
    ),
    path("limits/", limits.Limits.as_view(), name="limits"),
    path("limits/bandwidth/", limits.Bandwidth.as_view(), name="bandwidth"),
    path("bulk-actions/", bulk.BulkActionList.as_view(), name="bulk-actions"),
    path("bulk-actions/<int:action_id>/", bulk.BulkActionDetail.as_view(), name="bulk-action"),
    path(
        "bulk-actions/<int:action_id>/vms/",
        bulk.BulkActionVMs.as_view(),
        name="bulk-action-vms",
    ),
    path(
        "bulk-actions/<int:action_id>/cancel/",
        bulk.BulkActionCancel.as_view(),
        name="bulk-action-cancel",
    ),
    path("pauses/", pauses.PauseList.as_view(), name="pauses"),
    path("pauses/<int:pause_id>/", pauses.PauseDetail.as_view(), name="pause"),
    path("groups/", groups.GroupList.as_view(), name="groups"),
    path("groups/<int:group_id>/", groups.GroupDetail.as_view(), name="group"),
    path(
        "groups/<int:group_id>/replications/",
        groups.GroupReplications.as_view(),
        name="group-replications",
    ),
    path("policies/", policies.PolicyList.as_view(), name="policies"),
    path("policies/<int:policy_id>/", policies.PolicyDetail.as_view(), name="policy"),
    path(
        "policies/<int:policy_id>/preview/",
        policies.PolicyPreview.as_view(),
        name="policy-preview",
    ),
    path(
        "policies/<int:policy_id>/rpo-history/",
        rpo.PolicyHistory.as_view(),
        name="policy-rpo-history",
    ),
    path("policies/<int:policy_id>/scopes/", policies.PolicyScopes.as_view(), name="policy-scopes"),
    path(
        "policies/<int:policy_id>/scopes/<int:scope_id>/",
        policies.PolicyScopeDetail.as_view(),
        name="policy-scope",
    ),
    path("health/", health.Health.as_view(), name="health"),
    path("integrity/", integrity.Integrity.as_view(), name="integrity"),
    path("events/", events.EventList.as_view(), name="events"),
    path("audit-events/", audit.AuditEventList.as_view(), name="audit-events"),
    path("occurrences/", events.OccurrenceList.as_view(), name="occurrences"),
    path("report/", reports.DailyReport.as_view(), name="report"),
    path(
        "notification-channels/",
        notifications.ChannelList.as_view(),
        name="notification-channels",
    ),
    path(
        "notification-channels/<int:channel_id>/",
        notifications.ChannelDetail.as_view(),
        name="notification-channel",
    ),
    path(
        "notification-channels/<int:channel_id>/test/",
        notifications.ChannelTest.as_view(),
        name="notification-channel-test",
    ),
    path("notification-rules/", notifications.RuleList.as_view(), name="notification-rules"),
    path(
        "notification-rules/<int:rule_id>/",
        notifications.RuleDetail.as_view(),
        name="notification-rule",
    ),
    path(
        "notification-deliveries/",
        notifications.DeliveryList.as_view(),
        name="notification-deliveries",
    ),
    re_path(r"", root.Nowhere.as_view(), name="nowhere"),
]
