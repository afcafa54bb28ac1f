"""What is asked of the user of each address: by its name, for each method that it answers, the verb
and the kind of object (`vmrep.access.rights` says who may); `anybody` who is logged in, with or
without a role; `public`: everybody.

An address that stands in no line fails the build. Write down here what it asks for.
"""

from __future__ import annotations

from vmrep.api.schema.rights import ASKED

PAGES = """
home                    GET anybody
favicon                 GET public
login                   GET public, POST public
logout                  POST public
healthz                 GET public
readyz                  GET public
virtual-machines        GET view VMContext
removed-vms             GET view VMContext
vm-bulk                 POST replicate VMContext
vm-replicate            POST replicate VMContext
vm-sync                 GET replicate VMContext, POST replicate VMContext
vm-verify               POST verify VMContext
vm-rpo-target           POST set_target VMContext
vm-policy               POST change VMContext
vm-own-values           GET change VMContext, POST change VMContext
vm-disk                 POST change VMContext
point                   GET view RecoveryPoint, POST view VMContext
vm-retention            GET view VMContext
vm-move                 GET move VMContext, POST move VMContext
vm-remove               GET release VMContext, POST release VMContext
vm-delete-replica-data  GET delete_replica VMContext, POST delete_replica VMContext
discovery               GET view VCenter
discovery-start         POST discover VCenter
discovery-take          POST take DiscoveredVM
discovery-identity      GET identify DiscoveredVM, POST identify DiscoveredVM
jobs                    GET view ReplicationJob
job                     GET view ReplicationJob
job-cancel              POST cancel ReplicationJob
job-retry               POST replicate ReplicationJob
job-debug-bundle        POST diagnose ReplicationJob
job-cancel-confirm      GET cancel ReplicationJob
vcenters                GET view VCenter
vcenter-add             GET add VCenter, POST add VCenter
vcenter-edit            GET change VCenter, POST change VCenter
vcenter-test            POST test VCenter
vcenter-replace         POST change VCenter
vcenter-remove          GET remove VCenter, POST remove VCenter
repositories            GET view Repository
repository-add          GET add Repository, POST add Repository
repository              GET view Repository, POST change Repository
repository-delete-points  GET delete_point VMContext, POST delete_point VMContext
repository-remove       GET remove Repository, POST remove Repository
docs                    GET view VMContext
openapi                 GET view VMContext
api-reference           GET view VMContext
api-reference-of        GET view VMContext
set-up                  GET public, POST public
oidc                    GET public
oidc_authentication_callback  GET public
account                 GET view Session
account-password        GET change Session, POST change Session
account-confirm         GET view Session, POST view Session
sessions-end-others     POST remove Session
session-end             POST remove Session
tokens                  GET view Token, POST add Token
token-revoke            POST remove Token
saved-views             GET view SavedView
saved-view-save         POST add SavedView
saved-view              POST change SavedView
saved-view-remove       POST remove SavedView
bulk-actions            GET view BulkAction
bulk-ask                GET replicate VMContext, POST replicate VMContext
bulk-action             GET view BulkAction
bulk-action-cancel      POST cancel BulkAction
limits                  GET view Limit
limit-change            GET limit Limit, POST limit Limit
bandwidth-add           GET limit BandwidthWindow, POST limit BandwidthWindow
bandwidth-remove        POST limit BandwidthWindow
pauses                  GET view Pause, POST pause Pause
pause-end               POST pause Pause
groups                  GET view VMGroup, POST add VMGroup
group                   GET view VMGroup
group-rename            POST change VMGroup
group-remove            GET remove VMGroup, POST remove VMGroup
group-replicate         POST replicate VMGroup
group-cancel            POST cancel VMGroup
group-member-add        POST change VMGroup
group-member-move       POST change VMGroupMember
group-member-remove     POST change VMGroupMember
policies                GET view Policy
policy-add              GET add Policy, POST add Policy
policy                  GET view Policy, POST change Policy
policy-remove           GET remove Policy, POST remove Policy
policy-scope-add        GET change Policy, POST change Policy
policy-scope-remove     GET remove PolicyScope, POST remove PolicyScope
metrics                 GET view VMContext
health                  GET view SignOfLife
status                  GET view SignOfLife
notifications           GET view Channel
channel-add             GET add Channel, POST add Channel
channel-edit            GET change Channel, POST change Channel
channel-test            POST test Channel
channel-remove          GET remove Channel, POST remove Channel
rule-add                GET add Rule, POST add Rule
rule-edit               GET change Rule, POST change Rule
rule-remove             POST remove Rule
users                   GET view User
user-add                GET add User, POST add User
user                    GET change User, POST change User
audit                   GET view Event
events                  GET view ContextEvent
occurrences             GET view Occurrence
report                  GET view VMContext
report-csv              GET view VMContext
integrity               GET view IntegrityRun
integrity-check         POST check IntegrityRun
"""


def rules() -> dict[str, dict[str, str]]:
    """By address: by method, "public", "anybody" or "verb kind"."""
    found: dict[str, dict[str, str]] = {}
    for prefix, table in (("", PAGES), ("api:", ASKED)):
        for line in table.strip().splitlines():
            name, asked = line.split(maxsplit=1)
            each = [one.split(maxsplit=1) for one in asked.split(", ")]
            found.setdefault(f"{prefix}{name}", {}).update(each)
    return found
