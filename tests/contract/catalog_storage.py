"""x."""
class StorageSuite:
    pass
