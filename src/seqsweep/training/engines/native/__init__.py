"""Runs on one prepared data set, trained by the native engine. A single run is a pool of one."""
