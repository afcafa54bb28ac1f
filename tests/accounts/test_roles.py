"""The roles are groups, which a migration makes."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group

from tests import factories
from tests.accounts import documented
from vmrep.access.rights import RIGHTS
from vmrep.accounts.roles import Role

pytestmark = pytest.mark.any_database
migration = import_module("vmrep.accounts.migrations.0001_roles")


def test_there_is_a_group_for_each_role(db):
    assert set(Group.objects.values_list("name", flat=True)) == set(Role)


def test_whoever_was_there_before_roles_has_one_and_no_group_of_that_name_becomes_a_role(db):
    Group.objects.all().delete()
    chief = factories.user("chief", is_superuser=True)
    ann = factories.user("ann", is_superuser=False)
    Group.objects.create(name="admin").user_set.add(ann)
    migration.make_roles(apps, None)
    assert set(chief.groups.all()) == set()
    names = set(ann.groups.values_list("name", flat=True))
    assert Role.OPERATOR in names
    assert not {Role.VIEWER, Role.ADMIN} & names
    assert len(names) == 2


def test_the_documentation_has_the_table_that_counts():
    assert documented.written(documented.PAGE.read_text()) == documented.table()


def test_the_admin_shows_no_kind_of_which_the_table_says_nothing():
    assert set(admin.site._registry) <= set(RIGHTS)
