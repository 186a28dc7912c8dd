"""One run: its parts (optimizer, scheduler, trainer, loggers, callbacks) and its story."""
