"""Peers: the same job on other libraries, each tuned as its authors advise."""
