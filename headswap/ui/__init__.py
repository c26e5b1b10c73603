"""The page in a browser: five steps over `headswap.service`; the only place that knows gradio."""
