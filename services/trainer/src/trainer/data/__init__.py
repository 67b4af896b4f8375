"""Where months of trips come from and where they are kept."""
