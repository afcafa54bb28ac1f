"""The pages: each view opens with one getter, asks one selector or service, and answers."""
