"""How soon a bad version is found, and whether good ones stay, when pods are scraped seldom."""
