"""A look at a data set before anything is written: what is there, what is wrong with it, what comes next."""
