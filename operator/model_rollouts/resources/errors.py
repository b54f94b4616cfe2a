"""The one error for an object that cannot be built or read back."""


class ResourceError(ValueError):
    """Names the object, the field, what was found and what to write instead."""

    def __init__(self, resource: str, field: str, found: object, instead: str) -> None:
        super().__init__(f"{resource}, {field}: found {_shown(found)}; {instead}")
        self.resource = resource
        self.field = field


def _shown(found: object) -> str:
    """What was found, as it is written in YAML."""
    if found is None:
        return "nothing"
    return str(found).lower() if isinstance(found, bool) else repr(found)
