"""`sluice setup`: the Prefect blocks that a deployment needs."""
