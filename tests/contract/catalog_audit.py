"""x."""


class AuditSuite:
    pass
