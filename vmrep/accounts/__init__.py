"""People who use vmrep: their roles, and of which VMs."""
