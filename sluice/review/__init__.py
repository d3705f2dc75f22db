"""What a change of the project changes: contracts and the rows they reject, models and the marts below them."""
