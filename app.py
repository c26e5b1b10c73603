"""Run the page from a clone: `python app.py OPTIONS` is `headswap serve OPTIONS`."""

import sys

from headswap.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
