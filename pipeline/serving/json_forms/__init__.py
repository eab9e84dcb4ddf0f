"""TensorFlow Serving's JSON forms: requests to arrays, arrays to answers."""
