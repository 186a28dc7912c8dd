"""Gives errors of the user's code other messages."""


def reworded(error: Exception, message: str) -> Exception:
    """The same kind of error (ValueError, TypeError, OSError), saying `message`.

    Not by the error's own class: some take more than a message.
    """
    for kind in (FileNotFoundError, OSError, ValueError):
        if isinstance(error, kind):
            return kind(message)
    return TypeError(message)


def named(error: BaseException) -> str:
    """The error led by its class, in one line: `KeyError: 'x'`."""
    return " ".join(f"{type(error).__name__}: {error}".split())
