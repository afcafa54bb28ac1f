"""What is wanted for VMs: policies, which of them is the nearest, and what follows for each VM."""
