"""The page in a browser: five steps over `headswap.app.service`; the only place that knows gradio."""
