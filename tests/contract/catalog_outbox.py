"""x."""


class OutboxSuite:
    pass
