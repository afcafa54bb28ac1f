"""A user's tokens. No answer has a key, but for the one that makes it."""

from __future__ import annotations

from rest_framework import serializers

from vmrep.accounts.models import Token


class TokenSerializer(serializers.ModelSerializer[Token]):
    class Meta:
        model = Token
        fields = [
            "id",
            "name",
            "scope",
            "prefix",
            "origin",
            "created_at",
            "created_from",
            "expires_at",
            "last_used_at",
            "last_used_from",
        ]
        read_only_fields = fields
