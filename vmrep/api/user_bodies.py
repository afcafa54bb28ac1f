"""Request bodies about users."""

from __future__ import annotations

from django.contrib.auth.models import User
from rest_framework import serializers

from vmrep.accounts.roles import Role
from vmrep.accounts.users import LONGEST_FOLDER
from vmrep.api.bodies import Body, Flag, Text, Whole
from vmrep.incoming import LARGEST_NUMBER

ROLES = [role.value for role in Role]


class NewUser(Body):
    """`role`: null, and the user sees nothing but the own account."""

    username = Text(max_length=User._meta.get_field("username").max_length)
    password = Text(max_length=4096, trim_whitespace=False)
    role = serializers.ChoiceField(choices=ROLES, allow_null=True, required=False)


class ChangedUser(Body):
    """Fields that are not given stay unchanged. A new password ends the user's sessions; so does
    `is_active: false`, which takes the user's tokens out of use, too."""

    role = serializers.ChoiceField(choices=ROLES, allow_null=True, required=False)
    is_active = Flag(required=False)
    password = Text(max_length=4096, trim_whitespace=False, required=False)


class NewPlace(Body):
    """A vCenter, or a folder in it with all below."""

    vcenter_id = Whole(min_value=1, max_value=LARGEST_NUMBER)
    folder = Text(required=False, allow_blank=True, max_length=LONGEST_FOLDER)
