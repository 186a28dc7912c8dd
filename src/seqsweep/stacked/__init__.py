"""Many small networks as one program: torch alone, no configs, no folders, no Lightning."""
