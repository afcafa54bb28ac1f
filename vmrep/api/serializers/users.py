"""Users as JSON."""

from __future__ import annotations

from django.contrib.auth.models import User
from rest_framework import serializers

from vmrep.accounts import users
from vmrep.accounts.models import Scope


class PlaceSerializer(serializers.ModelSerializer[Scope]):
    vcenter_id = serializers.IntegerField(allow_null=True)

    class Meta:
        model = Scope
        fields = ["id", "vcenter_id", "vcenter_name", "folder", "created_by", "created_at"]
        read_only_fields = fields


class UserSerializer(serializers.ModelSerializer[User]):
    role = serializers.SerializerMethodField()
    scopes = PlaceSerializer(many=True, read_only=True)

    class Meta:
        model = User
        fields = [
            *("id", "username", "role", "is_active", "is_superuser", "scopes", "date_joined"),
            "last_login",
        ]
        read_only_fields = fields

    def get_role(self, user: User) -> str | None:
        return users.role_of(user)
