"""The facade: the dozen verbs that the page and the shell call. Loads no torch and no gradio."""
