"""Repositories, and what is in them, as JSON."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from contexts.models import VMContext
from replication.models import Repository, RepositorySign, RepositorySpace


class RepositorySerializer(serializers.ModelSerializer[Repository]):
    context_count = serializers.IntegerField()
    point_count = serializers.IntegerField()
    stored_bytes = serializers.IntegerField()

    class Meta:
        model = Repository
        fields = [
            *("id", "name", "kind", "uuid", "config", "reserve_bytes"),
            *("context_count", "point_count", "stored_bytes", "created_at", "updated_at"),
        ]
        read_only_fields = fields


class ForecastSerializer(serializers.Serializer[Any]):
    """How full a repository is, and will be, as its page says it."""

    free_bytes = serializers.IntegerField(allow_null=True)
    total_bytes = serializers.IntegerField(allow_null=True)
    reserved_bytes = serializers.IntegerField(allow_null=True)
    under_way_bytes = serializers.IntegerField()
    steady_bytes = serializers.IntegerField(allow_null=True)
    levels_off = serializers.BooleanField()
    full_in_seconds = serializers.FloatField(allow_null=True)


class RepositorySignSerializer(serializers.ModelSerializer[RepositorySign]):
    """What the workers of one machine last saw of it."""

    class Meta:
        model = RepositorySign
        fields = [
            *("host", "looked_at", "reached_at", "problem", "free_bytes", "total_bytes"),
            "full_in_seconds",
        ]
        read_only_fields = fields


class VMInRepositorySerializer(serializers.ModelSerializer[VMContext]):
    """A VM that has something in a repository, or is kept there."""

    point_count = serializers.IntegerField()
    going_count = serializers.IntegerField()
    oldest_at = serializers.DateTimeField(allow_null=True)
    newest_at = serializers.DateTimeField(allow_null=True)
    stored_bytes = serializers.IntegerField()

    class Meta:
        model = VMContext
        fields = [
            *("context_id", "vm_name", "repository_id", "unmanaged_at"),
            *("point_count", "going_count", "oldest_at", "newest_at", "stored_bytes"),
        ]
        read_only_fields = fields


class RepositorySpaceSerializer(serializers.ModelSerializer[RepositorySpace]):
    class Meta:
        model = RepositorySpace
        fields = ["hour", "free_bytes", "total_bytes", "stored_bytes"]
        read_only_fields = fields
