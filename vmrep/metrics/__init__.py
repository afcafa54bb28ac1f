"""What Prometheus asks for: figures of the database at this moment, from selectors only."""
