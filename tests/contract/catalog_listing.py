"""x."""
class ListingSuite:
    pass
