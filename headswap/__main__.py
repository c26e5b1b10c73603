"""`python -m headswap VERB …`: the same as `headswap VERB …`, where nothing was installed."""

import sys

from headswap.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
