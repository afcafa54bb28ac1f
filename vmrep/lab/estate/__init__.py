"""From a scenario to an estate with real content, and guests that keep writing."""
