"""Semi-supervised GANs in TensorFlow 2: networks, losses, recipes and the training loop.

Never imports `pipeline`, names no command and no option of one. Importing this package is cheap; its
modules import TensorFlow, and the metrics SciPy and scikit-learn besides.
"""

import os

# oneDNN's convolutions are off by default on processors without AVX-512; there they are more than
# twice as fast as Eigen's. TensorFlow reads the variable once, when it is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# else one command takes all of a GPU's memory, and a second one beside it (serving, say) gets none
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
