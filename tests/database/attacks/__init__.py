"""What a stranger with the database's own client may try, and which rule has to refuse it.

Each attack is plain SQL for SQLite and PostgreSQL alike, aimed at the estate's rows: `{a_failed}`
is that job's key. It has a twin: as like to it as can be, but allowed, so that the attack is
refused for its sense and not for a slip in its text.
"""

from tests.database.attacks.accounts import ACCOUNTS
from tests.database.attacks.around import AROUND
from tests.database.attacks.attack import Attack
from tests.database.attacks.bulk import BULK
from tests.database.attacks.contexts import CONTEXT
from tests.database.attacks.events import EVENTS
from tests.database.attacks.groups import GROUPS
from tests.database.attacks.health import HEALTH
from tests.database.attacks.images import IMAGE
from tests.database.attacks.inventory import INVENTORY
from tests.database.attacks.jobs import CBT, JOB, STEP
from tests.database.attacks.keyed_requests import KEYED_REQUESTS
from tests.database.attacks.links import ACTIVE, CURRENT, LAST_SUCCESSFUL, ORPHANS
from tests.database.attacks.notifications import NOTIFICATIONS
from tests.database.attacks.occurrences import OCCURRENCES
from tests.database.attacks.points import POINT
from tests.database.attacks.policies import POLICIES
from tests.database.attacks.records import RECORDS
from tests.database.attacks.removals import REMOVALS
from tests.database.attacks.repositories import REPOSITORIES
from tests.database.attacks.tokens import IDENTITIES, SESSIONS, TOKENS
from tests.database.attacks.trail import TRAIL
from tests.database.attacks.types import TYPES
from tests.database.attacks.verifications import VERIFICATIONS
from tests.database.attacks.views import VIEWS

__all__ = ["ATTACKS", "ORPHANS", "Attack"]

ATTACKS: list[Attack] = [
    *ORPHANS,
    *ACTIVE,
    *CURRENT,
    *LAST_SUCCESSFUL,
    *CONTEXT,
    *JOB,
    *STEP,
    *CBT,
    *AROUND,
    *EVENTS,
    *POINT,
    *IMAGE,
    *INVENTORY,
    *RECORDS,
    *HEALTH,
    *REPOSITORIES,
    *OCCURRENCES,
    *NOTIFICATIONS,
    *REMOVALS,
    *VERIFICATIONS,
    *POLICIES,
    *BULK,
    *VIEWS,
    *ACCOUNTS,
    *GROUPS,
    *TOKENS,
    *SESSIONS,
    *IDENTITIES,
    *TRAIL,
    *KEYED_REQUESTS,
    *TYPES,
]
