"""Request bodies. Nothing is guessed: unknown fields and wrong types are refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from rest_framework import parsers, serializers
from rest_framework.exceptions import ParseError
from rest_framework.settings import api_settings

from contexts.models.contexts import MAX_RPO_TARGET_SECONDS
from contexts.services.management import MOST_AT_ONCE
from contexts.states import TransportKind, TrustMode
from contexts.vsphere.endpoint import format_fingerprint
from replication.models.policies import SHORTEST_TARGET_SECONDS
from replication.retention.services import MOST_CHARACTERS
from replication.states import OccurrenceKind, SyncRequest
from vmrep.accounts.models import TokenScope
from vmrep.accounts.tokens import LONGEST_DAYS, LONGEST_NAME
from vmrep.api.suggestions import LONGEST_SHOWN, REPEATED, unknown_names
from vmrep.incoming import LARGEST_NUMBER
from vmrep.notifications.states import ChannelKind

NAME_LENGTH = 1000
LARGEST_DEVICE = (1 << 64) - 1
HALF = "It contains half a character (a lone surrogate), which is not valid text."


class JSONParser(parsers.JSONParser):
    """Strict JSON, like DRF's. Also refuses nesting that Python cannot follow, and a name that is
    given twice, since one of the two values would be lost."""

    def parse(self, stream: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return json.loads(
                stream.read().decode(),
                parse_constant=_no_constant,
                object_pairs_hook=_sound_object,
            )
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
        except ValueError as problem:
            raise ParseError(f"JSON parse error - {problem}") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _sound_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Requires each name once, and whole characters: half of one (a lone surrogate) can neither be
    stored nor repeated in an answer."""
    count = Counter(name for name, _ in pairs)
    "".join(count).encode()
    errors = {name[:LONGEST_SHOWN]: [REPEATED] for name in count if count[name] > 1}
    errors |= {name[:LONGEST_SHOWN]: [HALF] for name, value in pairs if not _is_whole(value)}
    if errors:
        raise serializers.ValidationError(errors)
    return dict(pairs)


def _is_whole(value: Any) -> bool:
    """Checks strings; nested objects were checked when they were parsed."""
    if isinstance(value, list):
        return all(_is_whole(each) for each in value)
    if not isinstance(value, str):
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class Text(serializers.CharField):
    """A JSON string, never a number that looks like one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class Whole(serializers.IntegerField):
    """A JSON number without a fraction, never a string or a boolean."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Flag(serializers.BooleanField):
    """JSON's true or false, never a string or number in their place."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Body(serializers.Serializer[Any]):
    """A JSON object with exactly the declared fields."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            needed = ["Send a JSON object."]
            raise serializers.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: needed})
        errors: dict[str, Any] = dict(unknown_names(data, list(self.fields), "field"))
        try:
            values: dict[str, Any] = super().to_internal_value(data)
        except serializers.ValidationError as problem:
            errors |= cast(dict[str, Any], problem.detail)
        if errors:
            raise serializers.ValidationError(errors)
        return values


class Nothing(Body):
    """A request that needs no body; any field is refused."""


class Identity(Body):
    """One VM: by name, with its vCenter's host if the name alone is ambiguous, or by instance
    UUID."""

    vm_name = Text(required=False, max_length=NAME_LENGTH, trim_whitespace=False)
    vcenter_host = Text(required=False, max_length=NAME_LENGTH)
    vmware_vm_id = Text(required=False, max_length=64)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if "vm_name" not in values and "vmware_vm_id" not in values:
            raise serializers.ValidationError(
                "Which VM? Give vm_name and vcenter_host, or vmware_vm_id."
            )
        return values


class Sync(Body):
    """How a job is to sync the disks; a request without a body means: as needed."""

    requested_sync = serializers.ChoiceField(choices=SyncRequest.choices, required=False)


class StartByIdentity(Identity, Sync):
    """A VM, and how its disks are to be synced."""


class SameVM(Body):
    """Which discovered VM a context's VM is, or is not: by its ID or its instance UUID."""

    discovered_vm_id = Whole(required=False, min_value=1, max_value=LARGEST_NUMBER)
    vmware_vm_id = Text(required=False, max_length=64)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if len(values) != 1:
            raise serializers.ValidationError(
                "Which VM? Give either discovered_vm_id or vmware_vm_id (the new instance UUID)."
            )
        return values


class Take(Body):
    """VMs to take under management: discovered ones by their IDs, or one by its identity."""

    discovered_vm_ids = serializers.ListField(
        child=Whole(min_value=1, max_value=LARGEST_NUMBER),
        required=False,
        allow_empty=False,
        max_length=MOST_AT_ONCE,
    )
    vm_name = Text(required=False, max_length=NAME_LENGTH, trim_whitespace=False)
    vcenter_host = Text(required=False, max_length=NAME_LENGTH)
    vmware_vm_id = Text(required=False, max_length=64)
    repository_id = Whole(required=False, min_value=1, max_value=LARGEST_NUMBER)
    rpo_target_seconds = Whole(
        required=False, min_value=SHORTEST_TARGET_SECONDS, max_value=MAX_RPO_TARGET_SECONDS
    )

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        by_identity = any(name in values for name in ("vm_name", "vmware_vm_id"))
        if by_identity == ("discovered_vm_ids" in values):
            raise serializers.ValidationError(
                "Which VMs? Give discovered_vm_ids, or one VM by vm_name and vcenter_host or by"
                " vmware_vm_id."
            )
        if "vcenter_host" in values and not by_identity:
            raise serializers.ValidationError(
                {"vcenter_host": "Use it only together with vm_name or vmware_vm_id."}
            )
        return values


class NewRepository(Body):
    """A folder to become a repository. `device` and `on_system_disk` confirm what the first answer
    said of it."""

    name = Text(max_length=100)
    path = Text(max_length=4096, trim_whitespace=False)
    device = Whole(required=False, min_value=0, max_value=LARGEST_DEVICE)
    on_system_disk = Flag(required=False, default=False)


class ChangedRepository(Body):
    """Changes to a repository; fields that are not given stay unchanged."""

    name = Text(required=False, max_length=100)
    reserve_bytes = Whole(required=False, allow_null=True, min_value=0, max_value=LARGEST_NUMBER)


class Move(Body):
    """The repository that a VM's next replication goes into."""

    repository_id = Whole(min_value=1, max_value=LARGEST_NUMBER)


class ConfirmDeletion(Body):
    """The VM's exact name; the service checks it."""

    confirm_vm_name = Text(max_length=NAME_LENGTH, trim_whitespace=False, allow_blank=True)


class Pin(Body):
    """Keeping a recovery point, and why."""

    comment = Text(required=False, default="", allow_blank=True, max_length=MOST_CHARACTERS)


class Comment(Body):
    """What people should know of a recovery point."""

    comment = Text(allow_blank=True, max_length=MOST_CHARACTERS)


class Release(Body):
    """Removing a VM from management; its replica data stays unless both fields are given."""

    delete_replica_data = Flag(required=False, default=False)
    confirm_vm_name = Text(
        required=False, max_length=NAME_LENGTH, trim_whitespace=False, allow_blank=True
    )

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if values["delete_replica_data"] != ("confirm_vm_name" in values):
            raise serializers.ValidationError(
                {"confirm_vm_name": "It is required with delete_replica_data: true, and only then."}
            )
        return values


class NewVCenter(Body):
    """A vCenter to add. The password is accepted, and never returned."""

    name = Text(max_length=100)
    host = Text(max_length=255)
    port = Whole(required=False, min_value=1, max_value=65535)
    username = Text(max_length=255)
    password = Text(max_length=1000, trim_whitespace=False)
    trust_mode = serializers.ChoiceField(choices=TrustMode.choices, required=False)
    fingerprint_sha256 = Text(required=False, allow_blank=True, max_length=200)
    transport = serializers.ChoiceField(choices=TransportKind.choices, required=False)
    nbd_command = Text(required=False, allow_blank=True, max_length=60)

    def validate_fingerprint_sha256(self, value: str) -> str:
        try:
            return format_fingerprint(value) if value else ""
        except ValueError as problem:
            raise serializers.ValidationError(str(problem)) from problem

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("trust_mode") == TrustMode.PIN and not values.get("fingerprint_sha256"):
            raise serializers.ValidationError(
                {"fingerprint_sha256": "A pinned certificate needs its fingerprint."}
            )
        return values


class ChangedVCenter(NewVCenter):
    """Changes to a vCenter; fields that are not given stay unchanged.

    `confirm_instance_uuid`: it was rebuilt, and this is its instance UUID now (of a lone ESXi host:
    its hardware UUID)."""

    confirm_instance_uuid = Text(max_length=64)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        return values  # the service checks fields that depend on each other


class NewChannel(Body):
    """A way to people. `settings` are those of its kind; they go in and never come out."""

    name = Text(max_length=100)
    kind = serializers.ChoiceField(choices=ChannelKind.choices)
    settings = serializers.DictField(child=serializers.JSONField())
    enabled = Flag(required=False)
    quiet_from_minute = Whole(required=False, allow_null=True, min_value=0, max_value=1439)
    quiet_to_minute = Whole(required=False, allow_null=True, min_value=0, max_value=1439)
    time_zone = Text(required=False, max_length=64)
    digest_after = Whole(required=False, min_value=1, max_value=1000)
    digest_seconds = Whole(required=False, min_value=1, max_value=86_400)
    report_at_minute = Whole(required=False, allow_null=True, min_value=0, max_value=1439)


class ChangedChannel(NewChannel):
    """Changes to a channel; what is not given stays unchanged, also among the settings."""

    kind = None  # type: ignore[assignment]  # it cannot be changed

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False


class NewRule(Body):
    """Of which occurrences a channel tells: without `kinds` of every kind; without `vcenter_id`,
    `policy_id` and `context_id` of everything."""

    channel_id = Whole(min_value=1, max_value=LARGEST_NUMBER)
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=OccurrenceKind.choices), required=False, max_length=50
    )
    vcenter_id = Whole(required=False, allow_null=True, min_value=1, max_value=LARGEST_NUMBER)
    policy_id = Whole(required=False, allow_null=True, min_value=1, max_value=LARGEST_NUMBER)
    context_id = Text(required=False, allow_null=True, max_length=120)
    even_when_quiet = Flag(required=False)
    enabled = Flag(required=False)


class ChangedRule(NewRule):
    """Changes to a rule; fields that are not given stay unchanged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False


class Login(Body):
    """The credentials for a token, and what the token is to be."""

    username = Text(max_length=150)
    password = Text(max_length=4096, trim_whitespace=False)
    name = Text(max_length=LONGEST_NAME, required=False)
    scope = serializers.ChoiceField(choices=TokenScope.values, required=False)
    expires_in_days = Whole(min_value=1, max_value=LONGEST_DAYS, required=False, allow_null=True)


def read(body: type[Body], data: Any) -> dict[str, Any]:
    """The values of a body. Raises DRF's ValidationError, which names every field."""
    serializer = body(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
