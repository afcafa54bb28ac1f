"""Telling people what happened: an outbox, its rules, and the channels that it goes out by."""
