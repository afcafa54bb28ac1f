"""The audit trail: who did what to which object, when, from where, and what it was before.

Rows are only ever added. Each holds the digest of the one before it, so that a row that is missing,
changed or put in between is found (docs/audit-trail.md).
"""
