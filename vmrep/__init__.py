"""The product's shell: settings, addresses, the Celery app, and the faces built upon both apps."""
