"""Made from the schema of the API (docs/openapi.yaml)."""
