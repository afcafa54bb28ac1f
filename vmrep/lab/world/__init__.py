"""The simulated estate: managed objects, their records, what calls do to them."""
