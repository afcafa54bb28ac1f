"""What vmrep sends to webhooks (docs/notifications.md)."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, OpenApiWebhook, extend_schema
from rest_framework import serializers

from replication.states import OccurrenceKind
from vmrep.api.serializers.answers import ReportAnswer


class OccurrenceData(serializers.Serializer[Any]):
    """What happened."""

    occurrence_id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=OccurrenceKind.choices)
    at = serializers.DateTimeField()
    what = serializers.CharField()
    context_id = serializers.CharField(allow_null=True)
    vm_name = serializers.CharField(allow_null=True)
    vcenter = serializers.CharField(allow_null=True)
    repository = serializers.CharField(allow_null=True)
    job_id = serializers.CharField(allow_null=True)
    link = serializers.URLField(allow_null=True)


class DigestData(serializers.Serializer[Any]):
    """Many occurrences in one message."""

    count = serializers.IntegerField()
    kinds = serializers.DictField(child=serializers.IntegerField())
    first = OccurrenceData(many=True)


class TestData(serializers.Serializer[Any]):
    """Somebody tested the channel."""

    channel = serializers.CharField()


def _message(name: str, types: list[str], data: type[serializers.Serializer[Any]]) -> Any:
    return type(
        f"{name}Message",
        (serializers.Serializer,),
        {
            "__doc__": f"{data.__doc__}",
            "type": serializers.ChoiceField(choices=types),
            "timestamp": serializers.DateTimeField(),
            "data": data(),
        },
    )


OCCURRENCE = _message(
    "Occurrence", [f"vmrep.{kind}" for kind in OccurrenceKind.values], OccurrenceData
)
DIGEST = _message("Digest", ["vmrep.digest"], DigestData)
REPORT = _message("Report", ["vmrep.report"], ReportAnswer)
TEST = _message("Test", ["vmrep.test"], TestData)


def _webhook(name: str, message: Any, words: str) -> OpenApiWebhook:
    return OpenApiWebhook(
        name,
        extend_schema(
            summary=words,
            description=f"{words}. Any answer from 200 to 299 means: received.",
            request=message,
            responses={"2XX": OpenApiResponse(description="Received.")},
        ),
    )


occurrence = _webhook("occurrence", OCCURRENCE, "Something happened")
digest = _webhook("digest", DIGEST, "Many things happened at once")
report = _webhook("report", REPORT, "The report of a day")
test = _webhook("test", TEST, "Somebody tested the channel")
