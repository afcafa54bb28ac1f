"""What the database itself computes and refuses, and where its migrations stand."""
