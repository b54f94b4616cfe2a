"""The one error for an object that cannot be built or read back."""


class ResourceError(ValueError):
    """Names the object, the field, what was found and what to write instead."""

    def __init__(self, resource: str, field: str, found: object, instead: str) -> None:
        super().__init__(f"{resource}: {field}: found {found!r}; {instead}")
        self.resource = resource
        self.field = field
