"""Stage `export`: a trained model to SavedModels, checked in a fresh process."""
