"""What services show: outages that both versions share, scrapes at other moments, or missing."""
