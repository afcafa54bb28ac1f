"""The rows of vmrep's own about its users; the users themselves are Django's."""
