"""Many small networks as one program. Torch alone: knows nothing of configs, folders or Lightning."""
