"""x."""
class OutboxSuite:
    pass
