"""Datastore paths are taken apart with the help of the datastore's own name."""

from __future__ import annotations

import pytest

from contexts.vsphere import paths


@pytest.mark.parametrize(
    ("path", "name", "found"),
    [
        ("[ds1] web/web.vmdk", "ds1", ("ds1", "web/web.vmdk")),
        ("[ds1] web/web.vmdk", None, ("ds1", "web/web.vmdk")),
        ("[[SSD] pool] dir/x.vmdk", "[SSD] pool", ("[SSD] pool", "dir/x.vmdk")),
        ("[[SSD] pool] dir/x.vmdk", None, ("[SSD] pool", "dir/x.vmdk")),
        ("[pool [1]] [x] y/z.vmdk", "pool [1]", ("pool [1]", "[x] y/z.vmdk")),
        ("[pool [1]] [x] y/z.vmdk", None, ("pool [1]", "[x] y/z.vmdk")),
        # Only the datastore's name tells.
        ("[a] b] c/x.vmdk", "a] b", ("a] b", "c/x.vmdk")),
        ("[a] b] c/x.vmdk", "a", ("a", "b] c/x.vmdk")),
        ("[[a] c/x.vmdk", "[a", ("[a", "c/x.vmdk")),
        ("[[a] c/x.vmdk", None, ("[a", "c/x.vmdk")),
        # Blanks belong to the name and to the folder, but for the one between them.
        ("[ pool ]  dir/x.vmdk", " pool ", (" pool ", " dir/x.vmdk")),
        ("[ pool ]  dir/x.vmdk", None, (" pool ", " dir/x.vmdk")),
        ("[ds]dir/x.vmdk", "ds", ("ds", "dir/x.vmdk")),
        # vSphere's own spelling of a slash, and the one that people see.
        ("[a%2fb] d/x.vmdk", "a%2fb", ("a%2fb", "d/x.vmdk")),
        ("[a/b] d/x.vmdk", "a%2fb", ("a/b", "d/x.vmdk")),
        ("[Größe] Büro ü/x.vmdk", "Größe", ("Größe", "Büro ü/x.vmdk")),
        # Renamed just now: what is written there counts.
        ("[old] d/x.vmdk", "new", ("old", "d/x.vmdk")),
        ("[ds] a]b/c[d/x.vmdk", "ds", ("ds", "a]b/c[d/x.vmdk")),
        ("[] x.vmdk", "", None),
        ("[ds]", "ds", None),
        ("[ds] ", "ds", None),
        ("[ds x.vmdk", "ds", None),
        ("ds/x.vmdk", "ds", None),
        ("", None, None),
        (None, "ds", None),
    ],
)
def test_a_path_is_taken_apart(
    path: str | None, name: str | None, found: tuple[str, str] | None
) -> None:
    assert paths.split(path, name) == found
