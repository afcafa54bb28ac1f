"""One way to damage a copy for each code of the integrity check; what else it must find then is in
`ALSO`."""

# Importing a module registers its damages.
from tests.integrity.damages import rows as rows
from tests.integrity.damages import rules as rules
from tests.integrity.damages import stored as stored
