"""A run that outlives the browser tab: its row, its queue, its worker; and the inference process."""
