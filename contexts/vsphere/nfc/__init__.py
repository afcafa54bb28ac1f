"""NFC: reading and writing disks over the ESXi hosts' own protocol, on TCP 902.

`tickets` asks vSphere for the right to one connection, `authd` opens it, `channel` frames messages
on it, `disk` reads and writes one disk, `renewing` replaces a connection that breaks.
What is known of the protocol, and from where, is in docs/nfc.md; what varies between versions of
ESXi is in `wire`.
"""
