"""What the panel's tabs show that needs more than one selector."""
