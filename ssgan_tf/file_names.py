"""Names of the files that training reads and writes; everything else that names them takes them from here."""

DATASET = "dataset.json"
TRAINING = "training.json"
CHECKPOINTS = "checkpoints"
HISTORY = "history.npz"
GUESSES = "guesses.npy"
VIEWS = "views.png"
CURVES = "losses.png"
