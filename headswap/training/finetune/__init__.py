"""Let more of the body move: choose how, practise, keep the best; the solved head is the floor."""
