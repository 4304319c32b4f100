"""Real clients follow a table while nodes are killed and started again, and must end with what is there."""
