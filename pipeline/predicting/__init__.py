"""What the predict stage is made of: inputs, classifiers, rows, writers, and blocks for Beam."""
