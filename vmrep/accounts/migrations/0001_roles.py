"""The roles, and one for everybody who is there already: until now, each user could do everything
on the pages and in the API. Superusers are admins without a group."""

from django.conf import settings
from django.db import migrations

ROLES = ("viewer", "operator", "admin")


def make_roles(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects
    for name in ROLES:
        # A group of this name was somebody's own, and never meant a role.
        for other in groups.filter(name=name):
            other.name = f"{name} (before roles, {other.pk})"
            other.save()
    made = {name: groups.create(name=name) for name in ROLES}
    for user in apps.get_model("auth", "User").objects.filter(is_superuser=False):
        user.groups.add(made["operator"])


def remove_roles(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES).delete()


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [migrations.RunPython(make_roles, remove_roles)]
