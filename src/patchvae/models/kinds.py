"""stub"""


def modules(kind: str) -> tuple[str, ...]:
    return ()
