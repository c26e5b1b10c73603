"""What torchrun starts in a test: rank 0 asks for two parcels and prints the answers, the others follow."""

from __future__ import annotations

import json
import sys

from headswap.cluster.crew import Parcel
from headswap.cluster.launched import Launched, follow, launched, launched_rank
from tests.cluster.tasks_together import add_up

if __name__ == "__main__":
    with launched():
        if launched_rank():
            follow()
        else:
            parcels = (Parcel(facts={"count": count}) for count in (1, 5))
            answers = [dict(answer.facts) for _, answer in Launched().each(add_up, parcels)]
            sys.stdout.write(json.dumps(answers))
