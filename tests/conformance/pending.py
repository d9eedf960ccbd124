"""What etcdpy does not serve yet: tests marked ``needs(METHOD)`` are skipped meanwhile.

``test_pending`` fails once one of these is served, so that the entry goes and its tests run.
"""

PENDING: dict[str, str] = {}
