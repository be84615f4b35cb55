"""Mail that comes in: cleaned of forgeries, opened, learned from, and delivered."""
