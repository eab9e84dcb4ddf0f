"""Stage `predict`: images in files, folders or TFRecords to rows of answers."""
