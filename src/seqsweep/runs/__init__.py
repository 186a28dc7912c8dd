"""What a run is called and what its folder holds. Knows files and plain values only."""
