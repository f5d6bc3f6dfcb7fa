"""All that the control plane and the data plane share: policy down, events up, commands down. Versioned structs only."""
