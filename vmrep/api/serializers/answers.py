"""The shapes of answers that are put together from several things: what the schema says of them.

The views make them from selectors; that they are as is said here is tested with every answer that
the API's tests get (tests/api/conformance.py).
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from replication.models import Policy
from replication.policies.values import COLUMNS
from replication.retention.choose import Rules
from replication.states import LimitKind, Protection
from vmrep.api.serializers.contexts import (
    ContextRowSerializer,
    ContextSerializer,
    DiskSerializer,
    NetworkAdapterSerializer,
)
from vmrep.api.serializers.health import IncidentSerializer, ProcessSerializer
from vmrep.api.serializers.integrity import FindingSerializer, IntegrityRunSerializer
from vmrep.api.serializers.jobs import (
    CBTHistorySerializer,
    JobDetailSerializer,
    JobWithStepsSerializer,
    RecoveryPointSerializer,
)
from vmrep.api.serializers.policies import PolicySerializer, ScopeSerializer
from vmrep.api.serializers.repositories import (
    ForecastSerializer,
    RepositorySerializer,
    RepositorySignSerializer,
)
from vmrep.api.serializers.tokens import TokenSerializer
from vmrep.api.serializers.vcenters import DiscoverySerializer


class Answer(serializers.Serializer[Any]):
    """A JSON object."""


def _text(**options: Any) -> serializers.CharField:
    return serializers.CharField(**options)


def _number(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(**options)


def _time(**options: Any) -> serializers.DateTimeField:
    return serializers.DateTimeField(**options)


class TokenAnswer(TokenSerializer):
    """A new token: the key is shown this once."""

    token = _text()

    class Meta(TokenSerializer.Meta):
        fields = ["token", *TokenSerializer.Meta.fields]
        read_only_fields = TokenSerializer.Meta.fields


class SourceAnswer(Answer):
    """Where a group of values comes from: a policy, and the place where it applies."""

    policy_id = _number(allow_null=True)
    policy = _text(allow_null=True)
    place = _text(allow_null=True)
    is_own = serializers.BooleanField()


class EffectivePolicyAnswer(PolicySerializer):
    """What is in effect for a VM, and where each group of values comes from."""

    sources = serializers.DictField(child=SourceAnswer())

    class Meta:
        model = Policy
        fields = [*COLUMNS, "sources"]


for _name in ("cron_in_words", "windows", "scopes", "vm_count"):
    EffectivePolicyAnswer._declared_fields.pop(_name)


class GroupNameAnswer(Answer):
    id = _number()
    name = _text()


class EverythingAnswer(Answer):
    """Everything about one VM."""

    context = ContextSerializer()  # type: ignore[assignment]  # a serializer's own `context`
    policy = EffectivePolicyAnswer(allow_null=True)
    group = GroupNameAnswer(allow_null=True)
    current_job = JobDetailSerializer(allow_null=True)
    job_history = JobWithStepsSerializer(many=True)
    disks = DiskSerializer(many=True)
    networks = NetworkAdapterSerializer(many=True)
    cbt_history = CBTHistorySerializer(many=True)
    recovery_points = RecoveryPointSerializer(many=True)


class TakenAnswer(Answer):
    contexts = ContextRowSerializer(many=True)


class DiscoveryAnswer(Answer):
    discovery = DiscoverySerializer()


class RemovedAnswer(Answer):
    """What is left of a VM's replica, and what was deleted."""

    context_id = _text()
    current_status = _text()
    unmanaged_at = _time(allow_null=True)
    recovery_points_kept = _number()
    stored_bytes_kept = _number()
    recovery_points_deleted = _number()
    stored_bytes_deleted = _number()


class MovedAnswer(Answer):
    context_id = _text()
    repository_id = _number()
    moved = serializers.BooleanField()


class RepositoryDetailAnswer(RepositorySerializer):
    forecast = ForecastSerializer()
    signs = RepositorySignSerializer(many=True)

    class Meta(RepositorySerializer.Meta):
        fields = [*RepositorySerializer.Meta.fields, "forecast", "signs"]
        read_only_fields = fields


class VerdictAnswer(Answer):
    recovery_point_id = _number()
    mark = _text()
    goes = serializers.BooleanField()
    goes_as = _number(allow_null=True)
    waits = _text(allow_null=True)


RulesAnswer: Any = type(
    "RulesAnswer", (Answer,), {f"keep_{name}": _number() for name in Rules._fields}
)


class RetentionPreviewAnswer(Answer):
    rules = RulesAnswer(allow_null=True)
    time_zone = _text()
    stored_bytes = _number(allow_null=True)
    longest_chain = _number(allow_null=True)
    points = VerdictAnswer(many=True)


class KeptAnswer(Answer):
    begins_at = _time()
    ends_at = _time()
    within_target = serializers.FloatField(allow_null=True)


class SpellAnswer(Answer):
    state = serializers.ChoiceField(choices=Protection.choices)
    target_seconds = _number(allow_null=True)
    began_at = _time()
    ended_at = _time(allow_null=True)
    foretold_at = _time(allow_null=True)


class PolicyHistoryAnswer(Answer):
    periods = KeptAnswer(many=True)
    days = KeptAnswer(many=True)


class ContextHistoryAnswer(PolicyHistoryAnswer):
    spells = SpellAnswer(many=True)


class LimitAnswer(Answer):
    kind = serializers.ChoiceField(choices=LimitKind.choices)
    resource = _text()
    name = _text()
    limit = _number()
    is_own = serializers.BooleanField()
    in_use = _number(allow_null=True)
    waiting = _number(allow_null=True)


class LimitsAnswer(Answer):
    limits = LimitAnswer(many=True)


class BandwidthWindowAnswer(Answer):
    bytes_per_second = _number()
    days = serializers.ListField(child=_text())
    begin = _text()
    end = _text()
    time_zone = _text()


class ReadingAnswer(Answer):
    vcenter_id = _number(allow_null=True)
    name = _text()
    windows = BandwidthWindowAnswer(many=True)
    bytes_per_second = _number(allow_null=True)
    reading_bytes_per_second = _number(allow_null=True)
    reading_jobs = _number(allow_null=True)


class BandwidthAnswer(Answer):
    bandwidth = ReadingAnswer(many=True)


class OutcomeAnswer(Answer):
    changed_vms = _number()
    vms_to_come = _number()


class ChangedPolicyAnswer(PolicySerializer):
    changed_vms = _number()
    vms_to_come = _number()

    class Meta(PolicySerializer.Meta):
        fields = [*PolicySerializer.Meta.fields, "changed_vms", "vms_to_come"]


class NewScopeAnswer(ScopeSerializer):
    changed_vms = _number()
    vms_to_come = _number()

    class Meta(ScopeSerializer.Meta):
        fields = [*ScopeSerializer.Meta.fields, "changed_vms", "vms_to_come"]


class LineAnswer(Answer):
    what = _text()
    before = _text()
    after = _text()


class ChangedVMAnswer(Answer):
    context_id = _text()
    vm_name = _text()
    changes = LineAnswer(many=True)


class LoadAnswer(Answer):
    jobs_per_hour = serializers.FloatField()
    busy_workers = serializers.FloatField()
    most_points = _number(allow_null=True)
    point_bytes = _number(allow_null=True)


class TooSlowAnswer(Answer):
    context_id = _text()
    name = _text()
    why = _text()


class PolicyPreviewAnswer(Answer):
    vm_count = _number()
    vms = ChangedVMAnswer(many=True)
    before = LoadAnswer()
    after = LoadAnswer()
    unmeasured_vms = _number()
    too_slow_vms = TooSlowAnswer(many=True)
    not_known_vms = _number()
    vms_to_be_taken = _number()


class TroubleAnswer(Answer):
    kind = _text()
    subject = _text()
    what = _text()
    since = _time(allow_null=True)
    vcenter_id = _number(allow_null=True)
    repository_id = _number(allow_null=True)


class ProcessAnswer(ProcessSerializer):
    state = serializers.ChoiceField(choices=["alive", "dead", "ended"])

    class Meta(ProcessSerializer.Meta):
        fields = ["state", *ProcessSerializer.Meta.fields]
        read_only_fields = ProcessSerializer.Meta.fields


class RedisAnswer(Answer):
    problem = _text()
    answered_at = _time(allow_null=True)


class TickAnswer(Answer):
    state = serializers.ChoiceField(choices=["alive", "dead"])
    ran_at = _time(allow_null=True)


class AnsweringAnswer(Answer):
    id = _number()
    name = _text()
    state = serializers.ChoiceField(choices=["away", "answering"])
    problem = _text()
    asked_at = _time()
    answered_at = _time(allow_null=True)


class HealthAnswer(Answer):
    ok = serializers.BooleanField()
    troubles = TroubleAnswer(many=True)
    processes = ProcessAnswer(many=True)
    redis = RedisAnswer()
    tick = TickAnswer()
    vcenters = AnsweringAnswer(many=True)
    repositories = AnsweringAnswer(many=True)
    incidents = IncidentSerializer(many=True)


class IntegrityAnswer(Answer):
    ok = serializers.BooleanField()
    run = IntegrityRunSerializer(allow_null=True)
    active_run = IntegrityRunSerializer(allow_null=True)
    findings = FindingSerializer(many=True)
    repaired = FindingSerializer(many=True)


class PolicyShareAnswer(Answer):
    policy = _text()
    vms = _number()
    share = serializers.FloatField(allow_null=True)


class BreachAnswer(Answer):
    context_id = _text()
    vm_name = _text(allow_null=True)
    state = serializers.ChoiceField(choices=Protection.choices)
    began_at = _time()
    ended_at = _time(allow_null=True)
    seconds = serializers.FloatField()
    worst_age_seconds = serializers.FloatField(allow_null=True)
    warned_seconds = serializers.FloatField(allow_null=True)


class SpaceAnswer(Answer):
    name = _text()
    free_bytes = _number(allow_null=True)
    total_bytes = _number(allow_null=True)
    full_in_seconds = serializers.FloatField(allow_null=True)


class ReportAnswer(Answer):
    day = serializers.DateField()
    time_zone = _text()
    within_target = serializers.FloatField(allow_null=True)
    within_target_by_policy = PolicyShareAnswer(many=True)
    states = serializers.DictField(child=_number())
    jobs = serializers.DictField(child=_number())
    failures = serializers.DictField(child=_number())
    read_bytes = _number()
    stored_bytes = _number()
    breach_count = _number()
    breaches = BreachAnswer(many=True)
    space = SpaceAnswer(many=True)
