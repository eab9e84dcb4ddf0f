"""What a data set looks like, inferred once, and what differs in a later one."""
