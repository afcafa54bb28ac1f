"""The columns of specs are made from the one list of spec fields."""

from __future__ import annotations

from contexts.models import DiscoveredVM, VMContext
from contexts.models.specs import SPEC_NAMES, VMSpecs


def test_every_spec_is_a_column_and_what_code_names_is_a_spec():
    for model in (VMContext, DiscoveredVM):
        assert set(SPEC_NAMES) <= {field.name for field in model._meta.concrete_fields}
    # These are declared for the type checker, which does not see columns that are made in a loop.
    declared = {"vm_name", "moref", "vm_path"}
    assert declared <= set(SPEC_NAMES)
    assert not declared & set(vars(VMSpecs).get("__annotations__", {}))
