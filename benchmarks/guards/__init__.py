"""How soon each guard rolls a bad version back."""
