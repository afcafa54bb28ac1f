"""NFC, the ESXi hosts' own protocol, from the server's side: one server for each simulated host.

It is written strictly: whatever a real host would refuse is refused, so that a client that works
here has kept to the protocol. docs/nfc.md has what is known of it.
"""
