"""Where a disk's bytes come from: `base` says what a source is, each other module is one kind."""
