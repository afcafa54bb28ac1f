"""What pages, API and admin read about jobs, recovery points, repositories and their contexts.

Each selector runs one query, or a constant number of queries, however many rows there are.
"""
