"""`sluice marts`: build, compare, publish and roll back without a dataset or a flow."""
