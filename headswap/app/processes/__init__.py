"""How a worker is started: this machine today, a cluster behind the same Protocol."""
