"""A method for each operation of the API. Made from docs/openapi.yaml by `manage.py make_client`: do not edit it."""

from __future__ import annotations

from vmrep.client.generated.operations.audit_events import AuditEvents
from vmrep.client.generated.operations.bulk_actions import BulkActions
from vmrep.client.generated.operations.events import Events
from vmrep.client.generated.operations.groups import Groups
from vmrep.client.generated.operations.health import Health
from vmrep.client.generated.operations.integrity import Integrity
from vmrep.client.generated.operations.limits import Limits
from vmrep.client.generated.operations.notification_channels import NotificationChannels
from vmrep.client.generated.operations.notification_deliveries import NotificationDeliveries
from vmrep.client.generated.operations.notification_rules import NotificationRules
from vmrep.client.generated.operations.occurrences import Occurrences
from vmrep.client.generated.operations.pauses import Pauses
from vmrep.client.generated.operations.policies import Policies
from vmrep.client.generated.operations.recovery_points import RecoveryPoints
from vmrep.client.generated.operations.replications import Replications
from vmrep.client.generated.operations.report import Report
from vmrep.client.generated.operations.repositories import Repositories
from vmrep.client.generated.operations.root import Root
from vmrep.client.generated.operations.saved_views import SavedViews
from vmrep.client.generated.operations.token import Token
from vmrep.client.generated.operations.tokens import Tokens
from vmrep.client.generated.operations.users import Users
from vmrep.client.generated.operations.vcenters import Vcenters
from vmrep.client.generated.operations.vm_contexts import VmContexts


class Operations(
    AuditEvents,
    BulkActions,
    Events,
    Groups,
    Health,
    Integrity,
    Limits,
    NotificationChannels,
    NotificationDeliveries,
    NotificationRules,
    Occurrences,
    Pauses,
    Policies,
    RecoveryPoints,
    Replications,
    Report,
    Repositories,
    Root,
    SavedViews,
    Token,
    Tokens,
    Users,
    Vcenters,
    VmContexts,
):
    """What `vmrep.client.Client` can do; docs/api.md explains it."""
