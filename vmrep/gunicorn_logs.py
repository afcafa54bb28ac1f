"""The web server's own lines, in the format of all others (`--logger-class`).

The process that watches over the others loads no settings: the environment is all that it has.
"""

from __future__ import annotations

import os
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger
from structlog.contextvars import bound_contextvars

from vmrep import environment
from vmrep.logs import JSON, formatter, take_over
from vmrep.request_id import HEADER


class Logger(GunicornLogger):
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        if environment.read(os.environ).get("VMREP_LOG_FORMAT") == JSON:
            take_over()
            for log in (self.error_log, self.access_log):
                for handler in log.handlers:
                    handler.setFormatter(formatter(JSON))

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Written when the answer is sent, and so when the request is over to all else."""
        own = next((value for name, value in resp.headers if name.lower() == HEADER.lower()), "")
        # Of a request that the server itself refuses there is no number, only the words.
        status = int(str(resp.status).split(None, 1)[0])
        with bound_contextvars(request_id=own, status=status, seconds=request_time.total_seconds()):
            super().access(resp, req, environ, request_time)
