"""From what a project chooses to a Lake: the engine's name, the Prefect block, and what this machine must have."""
