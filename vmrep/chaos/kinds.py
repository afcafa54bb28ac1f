"""The kinds of fault that script/chaos draws from. A row more is a kind more.

A kind happens to an errand (a replication, a removal): at a file operation below the repository, of
the worker or of the qemu programs that it starts (`file`); at a statement that changes the database
(`statement`); or at any time (`signal`, `lab`, `database`). Which operation, statement or moment it
is, is drawn each time.
"""

from __future__ import annotations

import errno
import signal
from typing import NamedTuple

from vmrep.chaos.failing import ALL, FOREVER, FileFault, What, Whose
from vmrep.chaos.failing import Operation as Op


class Kind(NamedTuple):
    """A kind of fault."""

    name: str
    file: FileFault | None = None
    statement: str = ""
    """One of `worker.STATEMENT_FAULTS`."""
    signal: int = 0
    """Sent to the worker at any time."""
    lab: str = ""
    """What the vCenter or an ESXi host does, or somebody there: one of `LAB`."""
    database: str = ""
    """What the database's server does: one of `DATABASE`."""


LAB = (
    *("refuse a call", "cut a connection"),  # the nth of its kind
    *("kill", "end sessions", "cut NFC", "remove snapshots"),  # at any time
)
DATABASE = ("end connections",)

_TAKES_ROOM = (Op.CREATE, Op.WRITE, Op.TRUNCATE, Op.MKDIR)
_NAMES = (Op.RENAME, Op.UNLINK, Op.MKDIR)

KINDS = (
    Kind("nothing"),
    # Files.
    Kind("a file cannot be opened", FileFault((Op.OPEN, Op.CREATE))),
    Kind("a file cannot be read", FileFault((Op.READ,))),
    Kind("a file cannot be written", FileFault((Op.WRITE,))),
    Kind("what was written does not reach the disk", FileFault((Op.SYNC,))),
    Kind("a file cannot be renamed", FileFault((Op.RENAME,))),
    Kind("a file cannot be removed", FileFault((Op.UNLINK,))),
    Kind("a file cannot be made longer", FileFault((Op.TRUNCATE,))),
    Kind("a folder cannot be made", FileFault((Op.MKDIR,))),
    Kind("the storage does not tell of a file", FileFault((Op.LOOK,))),
    Kind("a name is changed, but the answer is an error", FileFault(_NAMES, What.FAIL_AFTERWARDS)),
    Kind("the repository is full", FileFault(_TAKES_ROOM, error=errno.ENOSPC, lasts=FOREVER)),
    Kind("the quota is used up for a moment", FileFault(_TAKES_ROOM, error=errno.EDQUOT)),
    Kind("the share is stale", FileFault(ALL, error=errno.ESTALE, lasts=FOREVER)),
    Kind("the share is stale for a moment", FileFault(ALL, error=errno.ESTALE, lasts=3)),
    # Workers and programs.
    Kind("killed before a file operation", FileFault(ALL, What.KILL)),
    Kind("killed after a file operation", FileFault(ALL, What.KILL_AFTERWARDS)),
    Kind("killed before a change of names", FileFault(_NAMES, What.KILL)),
    Kind("killed after a change of names", FileFault(_NAMES, What.KILL_AFTERWARDS)),
    Kind("qemu is killed", FileFault(ALL, What.KILL_PROGRAM, whose=Whose.PROGRAMS)),
    Kind("stands still at a file operation", FileFault(ALL, What.STOP, whose=Whose.WORKER)),
    Kind("stands still at a change of names", FileFault(_NAMES, What.STOP, whose=Whose.WORKER)),
    Kind("killed at any time", signal=signal.SIGKILL),
    # The database.
    Kind("killed before a statement", statement="kill"),
    Kind("the connection to the database breaks", statement="fail"),
    Kind("the answer to a COMMIT is lost", statement="lose the answer"),
    Kind("stands still at a statement", statement="stop"),
    Kind("the database's server ends all connections", database="end connections"),
    # The vCenter and its hosts.
    Kind("the vCenter refuses a call", lab="refuse a call"),
    Kind("the vCenter cuts a connection", lab="cut a connection"),
    Kind("the vCenter is killed and starts again", lab="kill"),
    Kind("the vCenter ends all sessions", lab="end sessions"),
    Kind("the ESXi host cuts all NFC connections", lab="cut NFC"),
    Kind("somebody removes the snapshot", lab="remove snapshots"),
)
