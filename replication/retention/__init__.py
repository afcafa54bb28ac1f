"""Which recovery points stay, and how those go that do not."""
