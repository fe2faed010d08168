"""Files that describe an environment: requirements.txt, conda files, v1's JSON, keys of images."""
