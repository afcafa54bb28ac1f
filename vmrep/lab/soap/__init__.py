"""SOAP over HTTPS: what a client of the simulated vCenter talks to."""
