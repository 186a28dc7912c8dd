"""What a terminal shows while runs train."""
