"""The addresses of the pages."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.templatetags.static import static
from django.urls import path
from django.views.generic import RedirectView

from vmrep.web.forms import LoginForm
from vmrep.web.views import (
    bulk,
    bulk_actions,
    discovery,
    events,
    groups,
    health,
    identity,
    integrity,
    jobs,
    limits,
    notifications,
    pauses,
    points,
    policies,
    protection,
    removal,
    reports,
    repositories,
    sync,
    vcenters,
    virtual_machines,
)

login = LoginView.as_view(authentication_form=LoginForm, redirect_authenticated_user=True)
# Browsers request it on their own, even before a login.
favicon = login_not_required(RedirectView.as_view(url=static("img/vmrep.svg")))
home = RedirectView.as_view(pattern_name="virtual-machines")

urlpatterns = [
    path("", home, name="home"),
    path("favicon.ico", favicon, name="favicon"),
    path("login/", login, name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("virtual-machines/", virtual_machines.index, name="virtual-machines"),
    path("virtual-machines/removed/", removal.index, name="removed-vms"),
    path("virtual-machines/bulk/", bulk.act, name="vm-bulk"),
    path(
        "virtual-machines/<str:context_id>/replicate/",
        virtual_machines.replicate,
        name="vm-replicate",
    ),
    path("virtual-machines/<str:context_id>/sync/", sync.ask, name="vm-sync"),
    path(
        "virtual-machines/<str:context_id>/rpo-target/", protection.rpo_target, name="vm-rpo-target"
    ),
    path("virtual-machines/<str:context_id>/policy/", protection.policy, name="vm-policy"),
    path(
        "virtual-machines/<str:context_id>/own-values/",
        protection.own_values,
        name="vm-own-values",
    ),
    path(
        "virtual-machines/<str:context_id>/disks/<int:disk_id>/",
        protection.disk,
        name="vm-disk",
    ),
    path("virtual-machines/<str:context_id>/points/<int:point_id>/", points.point, name="point"),
    path("virtual-machines/<str:context_id>/retention/", points.retention, name="vm-retention"),
    path("virtual-machines/<str:context_id>/move/", repositories.move, name="vm-move"),
    path("virtual-machines/<str:context_id>/remove/", removal.remove, name="vm-remove"),
    path(
        "virtual-machines/<str:context_id>/delete-replica-data/",
        removal.delete_replica_data,
        name="vm-delete-replica-data",
    ),
    path("discovery/", discovery.index, name="discovery"),
    path("discovery/<int:vcenter_id>/start/", discovery.start, name="discovery-start"),
    path("discovery/<int:vcenter_id>/take/", discovery.take, name="discovery-take"),
    path(
        "discovery/<int:vcenter_id>/vms/<int:vm_id>/identity/",
        identity.decide,
        name="discovery-identity",
    ),
    path("jobs/", jobs.index, name="jobs"),
    path("jobs/<str:job_id>/", jobs.detail, name="job"),
    path("jobs/<str:job_id>/cancel/", jobs.cancel, name="job-cancel"),
    path("jobs/<str:job_id>/retry/", jobs.retry, name="job-retry"),
    path("jobs/<str:job_id>/cancel/confirm/", jobs.confirm_cancel, name="job-cancel-confirm"),
    path("vcenters/", vcenters.index, name="vcenters"),
    path("vcenters/add/", vcenters.add, name="vcenter-add"),
    path("vcenters/<int:vcenter_id>/", vcenters.edit, name="vcenter-edit"),
    path("vcenters/<int:vcenter_id>/test/", vcenters.test, name="vcenter-test"),
    path("vcenters/<int:vcenter_id>/replace/", vcenters.replace, name="vcenter-replace"),
    path("vcenters/<int:vcenter_id>/remove/", vcenters.remove, name="vcenter-remove"),
    path("repositories/", repositories.index, name="repositories"),
    path("repositories/add/", repositories.add, name="repository-add"),
    path("repositories/<int:repository_id>/", repositories.detail, name="repository"),
    path(
        "repositories/<int:repository_id>/vms/<str:context_id>/delete-points/",
        repositories.delete_points,
        name="repository-delete-points",
    ),
    path(
        "repositories/<int:repository_id>/remove/",
        repositories.remove,
        name="repository-remove",
    ),
    path("bulk/", bulk_actions.index, name="bulk-actions"),
    path("bulk/ask/", bulk_actions.ask, name="bulk-ask"),
    path("bulk/<int:action_id>/", bulk_actions.detail, name="bulk-action"),
    path("bulk/<int:action_id>/cancel/", bulk_actions.cancel, name="bulk-action-cancel"),
    path("limits/", limits.index, name="limits"),
    path("limits/change/", limits.change, name="limit-change"),
    path("limits/bandwidth/add/", limits.add_window, name="bandwidth-add"),
    path("limits/bandwidth/<int:window_id>/remove/", limits.remove_window, name="bandwidth-remove"),
    path("pauses/", pauses.index, name="pauses"),
    path("pauses/<int:pause_id>/end/", pauses.end, name="pause-end"),
    path("groups/", groups.index, name="groups"),
    path("groups/<int:group_id>/", groups.detail, name="group"),
    path("groups/<int:group_id>/rename/", groups.rename, name="group-rename"),
    path("groups/<int:group_id>/remove/", groups.remove, name="group-remove"),
    path("groups/<int:group_id>/replicate/", groups.replicate, name="group-replicate"),
    path("groups/<int:group_id>/cancel/", groups.cancel, name="group-cancel"),
    path("groups/<int:group_id>/members/add/", groups.add_member, name="group-member-add"),
    path(
        "groups/<int:group_id>/members/<int:member_id>/move/",
        groups.move_member,
        name="group-member-move",
    ),
    path(
        "groups/<int:group_id>/members/<int:member_id>/remove/",
        groups.remove_member,
        name="group-member-remove",
    ),
    path("policies/", policies.index, name="policies"),
    path("policies/add/", policies.add, name="policy-add"),
    path("policies/<int:policy_id>/", policies.edit, name="policy"),
    path("policies/<int:policy_id>/remove/", policies.remove, name="policy-remove"),
    path("policies/<int:policy_id>/scopes/add/", policies.add_scope, name="policy-scope-add"),
    path(
        "policies/<int:policy_id>/scopes/<int:scope_id>/remove/",
        policies.remove_scope,
        name="policy-scope-remove",
    ),
    path("health/", health.index, name="health"),
    path("status/", health.status, name="status"),
    path("healthz", health.Alive.as_view(), name="healthz"),
    path("readyz", health.Ready.as_view(), name="readyz"),
    path("notifications/", notifications.index, name="notifications"),
    path(
        "notifications/channels/add/<str:kind>/",
        notifications.add_channel,
        name="channel-add",
    ),
    path(
        "notifications/channels/<int:channel_id>/",
        notifications.edit_channel,
        name="channel-edit",
    ),
    path(
        "notifications/channels/<int:channel_id>/test/",
        notifications.test_channel,
        name="channel-test",
    ),
    path(
        "notifications/channels/<int:channel_id>/remove/",
        notifications.remove_channel,
        name="channel-remove",
    ),
    path("notifications/rules/add/", notifications.add_rule, name="rule-add"),
    path("notifications/rules/<int:rule_id>/", notifications.edit_rule, name="rule-edit"),
    path(
        "notifications/rules/<int:rule_id>/remove/",
        notifications.remove_rule,
        name="rule-remove",
    ),
    path("events/", events.index, name="events"),
    path("events/told/", events.occurrences, name="occurrences"),
    path("report/", reports.index, name="report"),
    path("report/csv/", reports.as_csv, name="report-csv"),
    path("integrity/", integrity.index, name="integrity"),
    path("integrity/check/", integrity.check, name="integrity-check"),
]
