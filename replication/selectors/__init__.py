"""What pages, API and admin read of jobs, recovery points, repositories, and of contexts with them.

Each selector is one query, or a constant number of them, however many rows there are.
"""
