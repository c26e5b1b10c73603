"""The version of headswap: the machines of a cluster compare theirs."""

__version__ = "0.2.0"
