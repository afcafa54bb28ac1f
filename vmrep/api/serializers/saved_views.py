"""Views of the lists that somebody keeps under a name."""

from __future__ import annotations

from rest_framework import serializers

from vmrep.web.models import SavedView


class SavedViewSerializer(serializers.ModelSerializer[SavedView]):
    class Meta:
        model = SavedView
        fields = [
            "id",
            "page",
            "name",
            "query",
            "is_shared",
            "is_default",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
