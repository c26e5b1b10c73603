"""Fine-tune more of the backbone: choose how, train, keep the best; the solved head is the floor."""
