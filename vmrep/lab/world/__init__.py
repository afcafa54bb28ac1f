"""The simulated estate: managed objects, their records, and what calls do to them."""
