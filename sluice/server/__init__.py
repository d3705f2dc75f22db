"""`sluice up`: Prefect's server, its deployments and a worker."""
