"""x."""


class StorageSuite:
    pass
