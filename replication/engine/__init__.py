"""Moving a disk's bytes: extents, sources, qcow2 images, copies. Plain Python, never Django.

A byte's path: ``extents`` say what to read, a ``source`` reads it, ``copy.DiskCopy`` hands it to
an ``image.ImageWriter``, and ``directory.DirectoryRepository`` makes the file permanent.
"""
