from tests.sync.conftest import estate, no_broker

__all__ = ["estate", "no_broker"]
