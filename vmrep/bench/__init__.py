"""Is vmrep fast enough: a generated estate, and the measurement that `script/bench` runs."""
