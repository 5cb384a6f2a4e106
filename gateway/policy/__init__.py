"""Who may, and who receives: pure values from a folder of YAML."""
