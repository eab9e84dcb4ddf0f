"""Image files: what may be decoded, told by their own bytes; shared by preprocess, predict and serve.

PNG, JPEG and BMP go to the decoder as they are, once `headers` has looked at them; GIF, WebP, TIFF, HEIC
and AVIF become PNG first (`conversion`).
"""
