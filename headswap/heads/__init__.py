"""Find, swap and verify the head of any classifier. Knows modules and tensors only."""
