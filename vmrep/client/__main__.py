"""`python -m vmrep.client`: the command `vmrep`, where it is not installed as one."""

import sys

from vmrep.client.cli import main

sys.exit(main())
