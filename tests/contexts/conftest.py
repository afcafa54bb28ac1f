from tests.sync.conftest import beginnings, estate, no_broker

__all__ = ["beginnings", "estate", "no_broker"]
