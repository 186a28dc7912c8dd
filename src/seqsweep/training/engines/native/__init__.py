"""The native engine: trains a pool of runs of one data set. A single run is a pool of one."""
