"""Stage `preprocess`: images of any source into TFRecord shards and dataset.json."""
