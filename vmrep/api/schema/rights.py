"""What each operation asks of whoever calls it, for the schema: the least role, and the least scope
of a token.

The views ask `vmrep.access`; tests/test_matrix.py tries each line of this table with every role. By
the address's name, for each method: the verb and the kind of object (`vmrep.access.rights` says who
may); `anybody` who is logged in, with or without a role; `public`: everybody.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from vmrep.access.rights import DANGEROUS, OF_EVERY_USER, RIGHTS, Verb
from vmrep.accounts.models import TokenScope

ASKED = """
root                    GET anybody
nowhere                 GET anybody
token                   POST public
tokens                  GET view Token
token-detail            DELETE remove Token
saved-views             GET view SavedView, POST add SavedView
saved-view              GET view SavedView, PATCH change SavedView, DELETE remove SavedView
users                   GET view User, POST add User
user                    GET view User, PATCH change User
user-scopes             POST change User, DELETE change User
user-scope              DELETE change User
vm-contexts             GET view VMContext, POST take DiscoveredVM
vm-context-lookup       GET view VMContext
vm-context              GET view VMContext, PATCH set_target VMContext
vm-context-replications  POST replicate VMContext
vm-context-release      POST release VMContext
vm-context-delete-replica-data  POST delete_replica VMContext
vm-context-confirm-identity  POST identify VMContext
vm-context-reject-identity  POST identify VMContext
vm-context-rpo-history  GET view VMContext
vm-context-move         POST move VMContext
vm-context-retention-preview  GET view VMContext
replications            GET view ReplicationJob, POST replicate VMContext
replication             GET view ReplicationJob
replication-cancel      POST cancel ReplicationJob
replication-retry       POST replicate ReplicationJob
replication-debug-bundle  POST diagnose ReplicationJob
replication-steps       GET view ReplicationJob
replication-log         GET view ReplicationJob
replication-throughput  GET view ReplicationJob
vcenters                GET view VCenter, POST add VCenter
vcenter                 GET view VCenter, PATCH change VCenter, DELETE remove VCenter
vcenter-discovery       GET view VCenter, POST discover VCenter
recovery-point          GET view RecoveryPoint, PATCH comment RecoveryPoint
recovery-point          DELETE delete_point RecoveryPoint
recovery-point-verification  GET view RecoveryPoint, POST verify RecoveryPoint
recovery-point-verification  DELETE verify RecoveryPoint
vm-context-verification  POST verify VMContext
recovery-point-pin      POST pin RecoveryPoint, DELETE unpin RecoveryPoint
repositories            GET view Repository, POST add Repository
repository              GET view Repository, PATCH change Repository, DELETE remove Repository
repository-vms          GET view Repository
repository-points       GET view Repository
repository-space        GET view Repository
limits                  GET view Limit, PUT limit Limit
bandwidth               GET view BandwidthWindow, PUT limit BandwidthWindow
bulk-actions            GET view BulkAction, POST replicate VMContext
bulk-action             GET view BulkAction
bulk-action-vms         GET view BulkAction
bulk-action-cancel      POST cancel BulkAction
pauses                  GET view Pause, POST pause Pause
pause                   GET view Pause, DELETE pause Pause
groups                  GET view VMGroup, POST add VMGroup
group                   GET view VMGroup, PATCH change VMGroup, DELETE remove VMGroup
group-replications      GET view VMGroup, POST replicate VMGroup
policies                GET view Policy, POST add Policy
policy                  GET view Policy, PATCH change Policy, DELETE remove Policy
policy-preview          POST add Policy
policy-rpo-history      GET view Policy
policy-scopes           POST change Policy
policy-scope            GET view PolicyScope, DELETE remove PolicyScope
health                  GET view SignOfLife
integrity               GET view IntegrityRun, POST check IntegrityRun
audit-events            GET view Event
events                  GET view ContextEvent
occurrences             GET view Occurrence
report                  GET view VMContext
notification-channels   GET view Channel, POST add Channel
notification-channel    GET view Channel, PATCH change Channel, DELETE remove Channel
notification-channel-test  POST test Channel
notification-rules      GET view Rule, POST add Rule
notification-rule       GET view Rule, PATCH change Rule, DELETE remove Rule
notification-deliveries  GET view Delivery
"""

PUBLIC, ANYBODY = "public", "anybody"


class Asked(NamedTuple):
    """`role`: one of `vmrep.accounts.roles`, or ANYBODY, or PUBLIC; `scope`: of the token, none of
    what needs no login."""

    role: str
    scope: str | None


@cache
def _rules() -> dict[tuple[str, str], str]:
    found = {}
    for line in ASKED.strip().splitlines():
        name, rules = line.split(maxsplit=1)
        for rule in rules.split(", "):
            method, asked = rule.split(maxsplit=1)
            found[name, method] = asked
    return found


def asked(name: str, method: str) -> Asked:
    """Of the address with this name. Raises KeyError for one without a rule."""
    rule = _rules()[name, method.upper()]
    scope = TokenScope.READ if method.upper() == "GET" else TokenScope.WRITE
    if rule == PUBLIC:
        return Asked(PUBLIC, None)
    if rule == ANYBODY:
        return Asked(ANYBODY, str(scope))
    word, kind_name = rule.split()
    verb = Verb(word)
    kind = next(each for each in (*RIGHTS, *OF_EVERY_USER) if each.__name__ == kind_name)
    if kind in DANGEROUS.get(verb, ()):
        scope = TokenScope.DANGER
    if verb in OF_EVERY_USER.get(kind, ()):
        return Asked(ANYBODY, str(scope))
    return Asked(str(RIGHTS[kind][verb]), str(scope))
