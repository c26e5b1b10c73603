"""The application on top of the core: processes, jobs, the service, the page."""
