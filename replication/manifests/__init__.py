"""What is needed to take a repository up again without its database, kept in the repository itself
(docs/decisions/0022-a-repository-describes-itself.md)."""
