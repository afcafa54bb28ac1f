"""Running vmrep on one machine: supervisor, programs, ports, folders."""
