"""Notifications: rows that the estate has none of."""

from __future__ import annotations

from tests.database.attacks.attack import NOW, Attack
from tests.database.attacks.health import Statements, add
from tests.database.scratch import A_TYPE

CHANNEL = {
    **{"id": "7", "name": "'mail'", "kind": "'email'", "config_encrypted": "'x'"},
    **{"address_shown": "'x'", "enabled": "TRUE", "quiet_from_minute": "NULL"},
    **{
        "quiet_to_minute": "NULL",
        "time_zone": "'UTC'",
        "digest_after": "5",
        "digest_seconds": "60",
    },
    **{"last_problem": "''", "created_at": NOW, "updated_at": NOW},
}
RULE = {
    **{"id": "7", "channel_id": "7", "scope": "'all'", "vcenter_id": "NULL"},
    **{
        "policy_id": "NULL",
        "vm_context_id": "NULL",
        "even_when_quiet": "FALSE",
        "enabled": "TRUE",
        "created_at": NOW,
    },
}
KIND = {"rule_id": "7", "kind": "'broken'"}
OCCURRENCE = {"id": "7", "kind": "'broken'", "key": "'x'", "what": "'x'", "at": NOW}
DELIVERY = {
    **{"channel_id": "7", "rule_id": "NULL", "purpose": "'test'", "occurrence_id": "NULL"},
    **{
        "report_day": "NULL",
        "digest_id": "NULL",
        "state": "'waiting'",
        "is_urgent": "FALSE",
        "attempts": "0",
    },
    **{"next_attempt_at": NOW, "claimed_at": "NULL", "sent_at": "NULL", "answer": "''"},
    **{"message_id": "'00000000000000000000000000000007'", "created_at": NOW},
}
OTHER_ID = {"message_id": "'00000000000000000000000000000008'"}
OF_DAY = {"purpose": "'report'", "report_day": "'2026-11-30'"}
OF_IT = {"purpose": "'occurrence'", "occurrence_id": "7"}

_CHANNEL = add("notification_channels", CHANNEL)
_RULE = add("notification_rules", RULE)
_OCCURRENCE = add("occurrences", OCCURRENCE)


def _on(
    base: Statements, table: str, row: dict[str, str], rule: str, bad: dict[str, str], name: str
) -> Attack:
    """A bad row beside the good rows that it needs."""
    rules = (rule, A_TYPE) if rule.endswith("column_types") else (rule,)
    return Attack(name, rules, (*base, add(table, row | bad)), (*base, add(table, row)))


def _two(
    base: Statements, table: str, row: dict[str, str], rule: str, but: dict[str, str], name: str
) -> Attack:
    first = add(table, row)
    return Attack(name, (rule,), (*base, first, first), (*base, first, add(table, row | but)))


NOTIFICATIONS = [
    *(
        _on((), "notification_channels", CHANNEL, rule, bad, name)
        for rule, bad, name in (
            ("channel_kind_known", {"kind": "'pigeon'"}, "a channel of an unknown kind"),
            ("channel_is_named", {"name": "''"}, "a channel without a name"),
            ("channel_column_types", {"digest_after": "'many'"}, "a channel with an odd number"),
            ("channel_digest_possible", {"digest_after": "0"}, "a digest of nothing"),
            ("channel_digest_possible", {"digest_seconds": "0"}, "a digest of no time"),
            (
                "channel_report_time_possible",
                {"report_at_minute": "1440"},
                "a report after midnight",
            ),
            *(
                (
                    "channel_quiet_hours_possible",
                    {"quiet_from_minute": begin, "quiet_to_minute": end},
                    name,
                )
                for begin, end, name in (
                    ("60", "NULL", "quiet hours without an end"),
                    ("NULL", "60", "quiet hours without a beginning"),
                    ("60", "60", "quiet hours that end as they begin"),
                    ("60", "1440", "quiet hours beyond the day"),
                )
            ),
        )
    ),
    *(
        _on((_CHANNEL,), "notification_rules", RULE, rule, bad, name)
        for rule, bad, name in (
            ("rule_scope_names_its_object", {"scope": "'vm'"}, "a rule of a VM that names none"),
            (
                "rule_scope_names_its_object",
                {"vcenter_id": "{vcenter}"},
                "a rule of all and of one",
            ),
            (
                "rule_scope_names_its_object",
                {"scope": "'policy'"},
                "a rule of a policy that names none",
            ),
            (
                "notification_rules.policy_id",
                {"scope": "'policy'", "policy_id": "999"},
                "a rule of a policy that is not there",
            ),
            ("rule_column_types", {"created_at": "'then'"}, "a rule's odd time"),
            ("notification_rules.channel_id", {"channel_id": "999"}, "a rule of no channel"),
            (
                "notification_rules.vcenter_id",
                {"scope": "'vcenter'", "vcenter_id": "999"},
                "a rule of no vCenter",
            ),
            (
                "notification_rules.vm_context_id",
                {"scope": "'vm'", "vm_context_id": "'none'"},
                "a rule of no VM",
            ),
        )
    ),
    *(
        _on((_CHANNEL, _RULE), "notification_rule_kinds", KIND, rule, bad, name)
        for rule, bad, name in (
            ("rule_kind_known", {"kind": "'odd'"}, "a rule with an unknown kind"),
            ("rule_kind_column_types", {"kind": "'" + "x" * 31 + "'"}, "a rule's long kind"),
            ("notification_rule_kinds.rule_id", {"rule_id": "999"}, "a kind of no rule"),
        )
    ),
    _two(
        (_CHANNEL, _RULE),
        *("notification_rule_kinds", KIND, "rule_kind_once", {"kind": "'recovered'"}),
        "the same kind twice in a rule",
    ),
    *(
        _on((_CHANNEL, _OCCURRENCE), "notification_deliveries", DELIVERY, rule, bad, name)
        for rule, bad, name in (
            ("delivery_state_known", {"state": "'odd'"}, "a delivery in an unknown state"),
            ("delivery_purpose_fits", {"occurrence_id": "7"}, "a test that tells of something"),
            ("delivery_purpose_fits", {"purpose": "'report'"}, "a report of no day"),
            (
                "delivery_purpose_fits",
                {"purpose": "'occurrence'"},
                "a delivery that tells of nothing",
            ),
            ("delivery_sent_has_its_time", {"state": "'sent'"}, "a delivery sent without a time"),
            ("delivery_sending_is_claimed", {"state": "'sending'"}, "a delivery that nobody sends"),
            ("delivery_column_types", {"attempts": "'many'"}, "a delivery with an odd number"),
            (
                "notification_deliveries.channel_id",
                {"channel_id": "999"},
                "a delivery by no channel",
            ),
            ("notification_deliveries.rule_id", {"rule_id": "999"}, "a delivery by no rule"),
            ("notification_deliveries.digest_id", {"digest_id": "999"}, "a delivery in no digest"),
            (
                "notification_deliveries.occurrence_id",
                {"purpose": "'occurrence'", "occurrence_id": "999"},
                "a delivery of no occurrence",
            ),
        )
    ),
    Attack(
        "an occurrence twice by one channel",
        ("delivery_once_per_channel",),
        (
            *(_CHANNEL, _OCCURRENCE, add("notification_deliveries", DELIVERY | OF_IT)),
            add("notification_deliveries", DELIVERY | OF_IT | OTHER_ID),
        ),
        (
            *(_CHANNEL, _OCCURRENCE, add("notification_deliveries", DELIVERY | OF_IT)),
            add("notification_deliveries", DELIVERY | OTHER_ID),
        ),
    ),
    _two(
        (_CHANNEL,),
        *("notification_deliveries", DELIVERY, "notification_deliveries.message_id", OTHER_ID),
        "two deliveries under one ID",
    ),
    Attack(
        "two channels of one name",
        ("notification_channels.name",),
        (_CHANNEL, add("notification_channels", CHANNEL | {"id": "8"})),
        (_CHANNEL, add("notification_channels", CHANNEL | {"id": "8", "name": "'hook'"})),
    ),
    Attack(
        "the report of a day twice by one channel",
        ("delivery_report_once_per_channel",),
        (
            *(_CHANNEL, add("notification_deliveries", DELIVERY | OF_DAY)),
            add("notification_deliveries", DELIVERY | OF_DAY | OTHER_ID),
        ),
        (
            *(_CHANNEL, add("notification_deliveries", DELIVERY | OF_DAY)),
            add(
                "notification_deliveries",
                DELIVERY | OF_DAY | OTHER_ID | {"report_day": "'2026-11-29'"},
            ),
        ),
    ),
]
