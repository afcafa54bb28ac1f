"""The product's shell: settings, addresses, the Celery app, and the faces built on both apps."""

# The only place that states the version; everything else reads it here.
__version__ = "0.1.0"
