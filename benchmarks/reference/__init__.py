"""What it takes to make a reference of data files, and to compare them with it."""
