"""What is due now. The queue (`services/queue.py`) only queues."""
