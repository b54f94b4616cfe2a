"""What goes into the image of the load generator: flights as requests, and what came of them."""
