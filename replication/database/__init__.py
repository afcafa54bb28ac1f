"""What the database itself computes and refuses: figures and triggers."""
