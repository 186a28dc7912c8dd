"""An error of the user's with another message."""


def reworded(error: Exception, message: str) -> Exception:
    """The same kind of error (ValueError, TypeError, OSError), saying `message`.

    Not by the error's own class: some take more than a message.
    """
    for kind in (FileNotFoundError, OSError, ValueError):
        if isinstance(error, kind):
            return kind(message)
    return TypeError(message)
