"""The verbs of the shell, one module each: `add` says what they take, `run` does them."""
