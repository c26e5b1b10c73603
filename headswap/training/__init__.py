"""From labelled images to a trained head: solved, fine-tuned, or by gradient."""
