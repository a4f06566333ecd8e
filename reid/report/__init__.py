"""What people look at beside the tables: curves, pages, and the account of what made them."""
