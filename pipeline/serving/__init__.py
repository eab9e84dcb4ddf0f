"""The server behind `ganpipe serve`: TensorFlow Serving's REST API, micro-batching and a page to try it."""
