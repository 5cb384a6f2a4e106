"""x."""
class AuditSuite:
    pass
