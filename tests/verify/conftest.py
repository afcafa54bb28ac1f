from __future__ import annotations

from tests.retention.conftest import beginnings, chain, estate, made_chain, no_broker, small1

__all__ = ["beginnings", "chain", "estate", "made_chain", "no_broker", "small1"]
