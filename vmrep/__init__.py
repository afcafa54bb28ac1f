"""The product's shell: settings, addresses, the Celery app, and the faces built upon both apps."""

# The one place that says it; whatever else states vmrep's version reads it here.
__version__ = "0.1.0"
