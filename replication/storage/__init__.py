"""The only access to repository storage for callers that must not wait long.

Storage can hang: a share without its server, a disk that died, a named pipe in a file's place. A
thread that waits for it cannot be stopped. So whoever has other duties (a web request, a claim, the
tick, the integrity check) looks at storage through this package: in a thread that is left behind
when it takes too long. Only jobs read and write images, under their `sync.guard`.
"""
