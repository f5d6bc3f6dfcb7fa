"""What the planes share: policy down, events up, commands down. Versioned structs, and nothing else."""
