"""What an exported model's folder looks like, for those who write it and those who read it."""
