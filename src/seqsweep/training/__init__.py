"""The training of a run: its parts (optimizer, scheduler, trainer, loggers) and its story."""
