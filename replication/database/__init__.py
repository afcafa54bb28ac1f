"""What the database itself computes and refuses, and the state of its migrations."""
