"""Datasets: image records, readers, pixel cache, augmentation and sampling."""
