"""NFC, the ESXi hosts' own protocol, from the server's side: one server for each simulated host.

It is strict: it refuses whatever a real host would refuse, so that a client that works here has
kept to the protocol. docs/nfc.md describes what is known about it.
"""
