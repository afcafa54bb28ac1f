"""vmrep from other programs: a typed client of the API, and the command `vmrep` (docs/client.md).

It runs without the server: it needs Python and requests, and imports nothing else of vmrep.
"""

from vmrep.client.client import Client
from vmrep.client.errors import ClientError, NotReached, Refused, WaitedTooLong

__all__ = ["Client", "ClientError", "NotReached", "Refused", "WaitedTooLong"]
