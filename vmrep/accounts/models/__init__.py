"""The rows of vmrep's own about its users; the users themselves are Django's."""

from vmrep.accounts.models.identities import Identity
from vmrep.accounts.models.scopes import Scope
from vmrep.accounts.models.sessions import Session
from vmrep.accounts.models.tokens import Token, TokenOrigin, TokenScope

__all__ = ["Identity", "Scope", "Session", "Token", "TokenOrigin", "TokenScope"]
