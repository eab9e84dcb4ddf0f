"""Stages and their chain: files, Beam, the command line, HTTP. Models live in `ssgan_tf`."""
