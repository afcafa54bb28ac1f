"""What migrations must be like, most of it by their text alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import IntegrityError, connection, models
from django.db.migrations import AddField
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

from contexts.constraints import AddTypedField, ColumnTypes


def steps() -> Iterator[tuple[str, Operation, ProjectState]]:
    """All operations in their order: the migration, and the state before it."""
    graph, state = MigrationLoader(None).graph, ProjectState()
    plan = dict.fromkeys(key for leaf in graph.leaf_nodes() for key in graph.forwards_plan(leaf))
    for app, name in plan:
        for operation in graph.nodes[app, name].operations:
            yield f"{app}.{name}", operation, state
            operation.state_forwards(app, state)


def has_types(model: ModelState) -> bool:
    return any(isinstance(it, ColumnTypes) for it in model.options.get("constraints", ()))


def test_a_column_that_is_added_can_be_taken_away_on_sqlite_too() -> None:
    """Either the constraint that will name it is removed first, or `AddTypedField` adds it."""
    added = [
        (f"{migration}: {operation.model_name}.{operation.name}", type(operation))
        for migration, operation, state in steps()
        if isinstance(operation, AddField)
        and not (operation.field.db_index or operation.field.remote_field)  # Django rebuilds these
        and has_types(state.models[migration.split(".")[0], operation.model_name_lower])
    ]
    assert len(added) > 10
    assert [name for name, kind in added if kind is not AddTypedField] == []


@pytest.mark.django_db(transaction=True)
def test_a_column_that_is_added_with_a_value_for_older_rows_gives_it_to_them_alone() -> None:
    before = ProjectState()
    columns = [("id", models.AutoField(primary_key=True))]
    before.add_model(ModelState("contexts", "Thing", columns, {"db_table": "things"}))
    operation = AddTypedField(
        "thing", "count", models.IntegerField(default=7), preserve_default=False
    )
    after = before.clone()
    operation.state_forwards("contexts", after)
    with connection.schema_editor() as editor:
        editor.create_model(before.apps.get_model("contexts", "Thing"))
    try:
        before.apps.get_model("contexts", "Thing").objects.create()
        with connection.schema_editor() as editor:
            operation.database_forwards("contexts", editor, before, after)
        things = after.apps.get_model("contexts", "Thing").objects
        assert [thing.count for thing in things.all()] == [7]
        with pytest.raises(IntegrityError), connection.cursor() as cursor:
            cursor.execute("INSERT INTO things (id) VALUES (2)")
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(before.apps.get_model("contexts", "Thing"))
