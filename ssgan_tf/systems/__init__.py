"""What a system and a recipe are, and what systems share."""
