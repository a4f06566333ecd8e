"""What people look at besides the tables: curves, pages, and the account of what made them."""
